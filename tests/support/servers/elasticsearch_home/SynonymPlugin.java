package leser;

import java.io.IOException;
import java.io.StringReader;
import java.text.ParseException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.LowerCaseFilter;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.Tokenizer;
import org.apache.lucene.analysis.standard.StandardTokenizer;
import org.apache.lucene.analysis.synonym.SolrSynonymParser;
import org.apache.lucene.analysis.synonym.SynonymGraphFilter;
import org.apache.lucene.analysis.synonym.SynonymMap;
import org.elasticsearch.action.ActionRequest;
import org.elasticsearch.action.ActionResponse;
import org.elasticsearch.action.support.PlainActionFuture;
import org.elasticsearch.client.internal.Client;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.index.IndexService.IndexCreationContext;
import org.elasticsearch.index.analysis.AbstractTokenFilterFactory;
import org.elasticsearch.index.analysis.AnalysisMode;
import org.elasticsearch.index.analysis.CharFilterFactory;
import org.elasticsearch.index.analysis.TokenFilterFactory;
import org.elasticsearch.index.analysis.TokenizerFactory;
import org.elasticsearch.index.mapper.Mapper;
import org.elasticsearch.index.mapper.TextFieldMapper;
import org.elasticsearch.index.reindex.DeleteByQueryAction;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.AnalysisPlugin;
import org.elasticsearch.plugins.MapperPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.synonyms.PagedResult;
import org.elasticsearch.synonyms.SynonymRule;
import org.elasticsearch.synonyms.SynonymsManagementAPIService;

/**
 * What the distribution for tests lacks of synonyms: the filter `synonym_graph` of the module analysis-common, on Lucene's own parser and filter, with rules of
 * its settings or of a synonyms set. For the synonyms API, which is Elasticsearch's own, also the action by which it empties a set (DeleteByQuery), and the type
 * of field in which it keeps the rules (a plain text here).
 */
public class SynonymPlugin extends Plugin implements AnalysisPlugin, ActionPlugin, MapperPlugin {
  private static volatile Client client;

  @Override
  public Collection<?> createComponents(PluginServices services) {
    client = services.client();
    return List.of();
  }

  @Override
  public Collection<ActionHandler<? extends ActionRequest, ? extends ActionResponse>> getActions() {
    return List.of(new ActionHandler<>(DeleteByQueryAction.INSTANCE, DeleteByQuery.class));
  }

  @Override
  public Map<String, Mapper.TypeParser> getMappers() {
    return Map.of("match_only_text", TextFieldMapper.PARSER);
  }

  @Override
  public Map<String, AnalysisProvider<TokenFilterFactory>> getTokenFilters() {
    return Map.of("synonym_graph", AnalysisPlugin.requiresAnalysisSettings((index, environment, name, settings) -> new Factory(name, settings)));
  }

  static class Factory extends AbstractTokenFilterFactory {
    private final String set;
    private final boolean updateable;
    private final SynonymMap synonyms;

    Factory(String name, Settings settings) throws IOException {
      this(name, settings.get("synonyms_set"), settings.getAsBoolean("updateable", false), settings.getAsList("synonyms"));
    }

    private Factory(String name, String set, boolean updateable, List<String> rules) throws IOException {
      super(name, Settings.EMPTY);
      this.set = set;
      this.updateable = updateable;
      SolrSynonymParser parser = new SolrSynonymParser(true, true, WORDS);
      try {
        parser.parse(new StringReader(String.join("\n", rules)));
      } catch (ParseException error) {
        throw new IllegalArgumentException("failed to build synonyms", error);
      }
      synonyms = parser.build();
    }

    /** A set is read when its index is loaded again, as in Elasticsearch's own: while an index is made, nobody may wait for a search. */
    @Override
    public TokenFilterFactory getChainAwareTokenFilterFactory(
        IndexCreationContext context,
        TokenizerFactory tokenizer,
        List<CharFilterFactory> signs,
        List<TokenFilterFactory> before,
        Function<String, TokenFilterFactory> others) {
      if (set == null || context != IndexCreationContext.RELOAD_ANALYZERS) {
        return this;
      }
      PlainActionFuture<PagedResult<SynonymRule>> found = new PlainActionFuture<>();
      new SynonymsManagementAPIService(client).getSynonymSetRules(set, found);
      List<String> rules = new ArrayList<>();
      for (SynonymRule rule : found.actionGet().pageResults()) {
        rules.add(rule.synonyms());
      }
      try {
        return new Factory(name(), set, updateable, rules);
      } catch (IOException error) {
        throw new IllegalArgumentException("failed to build synonyms", error);
      }
    }

    @Override
    public AnalysisMode getAnalysisMode() {
      return updateable ? AnalysisMode.SEARCH_TIME : AnalysisMode.ALL;
    }

    @Override
    public String getResourceName() {
      return set;
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
