package leser;

import java.io.IOException;
import java.io.StringReader;
import java.text.ParseException;
import java.util.Map;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.LowerCaseFilter;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.Tokenizer;
import org.apache.lucene.analysis.standard.StandardTokenizer;
import org.apache.lucene.analysis.synonym.SolrSynonymParser;
import org.apache.lucene.analysis.synonym.SynonymGraphFilter;
import org.apache.lucene.analysis.synonym.SynonymMap;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.index.analysis.AbstractTokenFilterFactory;
import org.elasticsearch.index.analysis.TokenFilterFactory;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.plugins.AnalysisPlugin;
import org.elasticsearch.plugins.Plugin;

/** The filter `synonym_graph` of the module analysis-common, which the distribution for tests lacks, on Lucene's own parser and filter. */
public class SynonymPlugin extends Plugin implements AnalysisPlugin {
  @Override
  public Map<String, AnalysisProvider<TokenFilterFactory>> getTokenFilters() {
    return Map.of("synonym_graph", AnalysisPlugin.requiresAnalysisSettings((index, environment, name, settings) -> new Factory(name, settings)));
  }

  static class Factory extends AbstractTokenFilterFactory {
    private final SynonymMap synonyms;

    Factory(String name, Settings settings) throws IOException {
      super(name, settings);
      SolrSynonymParser parser = new SolrSynonymParser(true, true, WORDS);
      try {
        parser.parse(new StringReader(String.join("\n", settings.getAsList("synonyms"))));
      } catch (ParseException error) {
        throw new IllegalArgumentException("failed to build synonyms", error);
      }
      synonyms = parser.build();
    }

    @Override
    public TokenStream create(TokenStream words) {
      return synonyms.fst == null ? words : new SynonymGraphFilter(words, synonyms, false);
    }
  }

  private static final Analyzer WORDS =
      new Analyzer() {
        @Override
        protected TokenStreamComponents createComponents(String field) {
          Tokenizer words = new StandardTokenizer();
          return new TokenStreamComponents(words, new LowerCaseFilter(words));
        }
      };
}
