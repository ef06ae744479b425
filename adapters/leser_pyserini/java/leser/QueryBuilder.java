package leser;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.tokenattributes.CharTermAttribute;
import org.apache.lucene.analysis.tokenattributes.PositionIncrementAttribute;
import org.apache.lucene.document.DoublePoint;
import org.apache.lucene.index.Term;
import org.apache.lucene.search.BooleanClause.Occur;
import org.apache.lucene.search.BooleanQuery;
import org.apache.lucene.search.BoostQuery;
import org.apache.lucene.search.MatchNoDocsQuery;
import org.apache.lucene.search.PhraseQuery;
import org.apache.lucene.search.Query;
import org.apache.lucene.search.TermInSetQuery;
import org.apache.lucene.search.TermQuery;
import org.apache.lucene.search.TermRangeQuery;
import org.apache.lucene.util.BytesRef;

/** Lucene queries out of structured clauses. No text is ever parsed as query syntax: it is analysed, and that is all. */
final class QueryBuilder {
  record Word(String text, int position) {}

  private final Analyzer analyzer;
  private final Map<String, Float> weights = new LinkedHashMap<>();
  private final boolean rerank;
  private final Set<String> fields;

  QueryBuilder(Analyzer analyzer, JsonNode weights, boolean rerank, Set<String> fields) {
    this.analyzer = analyzer;
    weights.fields().forEachRemaining(field -> this.weights.put(field.getKey(), (float) field.getValue().asDouble()));
    this.rerank = rerank;
    this.fields = fields;
  }

  /** One query; throws IllegalArgumentException with a reason when it names a field that the index lacks. */
  Query build(JsonNode node) throws IOException {
    BooleanQuery.Builder query = new BooleanQuery.Builder();
    Clauses original = new Clauses();
    original.addAny(words(node.get("text").asText()), weights, 1f);
    Clauses expansions = rerank ? new Clauses() : original;
    for (JsonNode term : node.get("terms")) {
      addTerm(term, expansions, query);
    }
    if (original.isEmpty()) {
      return new MatchNoDocsQuery("nothing to search for");
    }
    if (rerank) {
      query.add(original.query(), Occur.MUST);
      expansions.addTo(query, Occur.SHOULD);
    } else {
      original.addTo(query, Occur.SHOULD);
      query.setMinimumNumberShouldMatch(1);
    }
    for (JsonNode filter : node.get("filters")) {
      query.add(filter(filter), Occur.FILTER);
    }
    return query.build();
  }

  private void addTerm(JsonNode term, Clauses clauses, BooleanQuery.Builder query) throws IOException {
    List<Word> words = words(term.get(0).asText());
    float weight = (float) term.get(1).asDouble();
    Map<String, Float> where = term.get(2).isNull() ? weights : Map.of(searchable(term.get(2).asText()), 1f);
    if (words.isEmpty()) {
      return;
    }
    String match = term.get(3).asText();
    Clauses target = term.get(4).asBoolean() ? new Clauses() : clauses;
    if (words.size() == 1 || match.equals("any")) {
      target.addAny(words, where, weight);
    } else if (match.equals("all")) {
      target.add(all(words, where), weight);
    } else {
      where.forEach((field, fieldWeight) -> target.add(phrase(words, field), weight * fieldWeight));
    }
    if (target != clauses) {
      query.add(target.query(), Occur.MUST_NOT);
    }
  }

  private static Query all(List<Word> words, Map<String, Float> where) {
    BooleanQuery.Builder all = new BooleanQuery.Builder();
    for (Word word : words) {
      Clauses one = new Clauses();
      one.addAny(List.of(word), where, 1f);
      all.add(one.query(), Occur.MUST);
    }
    return all.build();
  }

  private static Query phrase(List<Word> words, String field) {
    PhraseQuery.Builder phrase = new PhraseQuery.Builder();
    int first = words.get(0).position();
    for (Word word : words) {
      phrase.add(new Term(field, word.text()), word.position() - first);
    }
    return phrase.build();
  }

  private Query filter(JsonNode filter) {
    String field = filter.get(0).asText();
    String keyword = field + LuceneWriter.KEYWORD;
    String number = field + LuceneWriter.NUMBER;
    if (!fields.contains(keyword) && !fields.contains(number)) {
      String available = fields.stream().filter(name -> name.endsWith(LuceneWriter.KEYWORD))
          .map(name -> name.substring(0, name.length() - LuceneWriter.KEYWORD.length())).collect(Collectors.joining(", "));
      throw new IllegalArgumentException("No field '" + field + "' to filter by. Available: " + available + ".");
    }
    String operator = filter.get(1).asText();
    List<BytesRef> strings = new ArrayList<>();
    List<Double> numbers = new ArrayList<>();
    for (JsonNode value : filter.get(2)) {
      if (value.isNumber()) {
        numbers.add(value.asDouble());
      } else {
        strings.add(new BytesRef(value.asText()));
      }
    }
    if (operator.equals("eq") || operator.equals("in")) {
      BooleanQuery.Builder either = new BooleanQuery.Builder();
      either.add(new TermInSetQuery(keyword, strings), Occur.SHOULD);
      either.add(DoublePoint.newSetQuery(number, numbers), Occur.SHOULD);
      return either.build();
    }
    boolean below = operator.startsWith("l");
    boolean inclusive = operator.endsWith("e");
    if (numbers.isEmpty()) {
      BytesRef bound = strings.get(0);
      return new TermRangeQuery(keyword, below ? null : bound, below ? bound : null, inclusive, inclusive);
    }
    double bound = numbers.get(0);
    return below
        ? DoublePoint.newRangeQuery(number, Double.NEGATIVE_INFINITY, inclusive ? bound : DoublePoint.nextDown(bound))
        : DoublePoint.newRangeQuery(number, inclusive ? bound : DoublePoint.nextUp(bound), Double.POSITIVE_INFINITY);
  }

  private String searchable(String field) {
    if (!fields.contains(field)) {
      String available = fields.stream().filter(LuceneWriter::isText).collect(Collectors.joining(", "));
      throw new IllegalArgumentException("No field '" + field + "' to search. Available: " + available + ".");
    }
    return field;
  }

  /** Index terms of a text, with gaps where stop words stood. */
  List<Word> words(String text) throws IOException {
    List<Word> words = new ArrayList<>();
    try (TokenStream stream = analyzer.tokenStream("", text)) {
      CharTermAttribute term = stream.addAttribute(CharTermAttribute.class);
      PositionIncrementAttribute increment = stream.addAttribute(PositionIncrementAttribute.class);
      stream.reset();
      int position = -1;
      while (stream.incrementToken()) {
        position += increment.getPositionIncrement();
        words.add(new Word(term.toString(), position));
      }
      stream.end();
    }
    return words;
  }

  /** Weighted clauses; a term that comes again adds its weight to the first, which scores the same and costs one less. */
  private static final class Clauses {
    private final Map<Query, Float> clauses = new LinkedHashMap<>();

    void addAny(List<Word> words, Map<String, Float> where, float weight) {
      for (Word word : words) {
        where.forEach((field, fieldWeight) -> add(new TermQuery(new Term(field, word.text())), weight * fieldWeight));
      }
    }

    void add(Query query, float weight) {
      clauses.merge(query, weight, Float::sum);
    }

    boolean isEmpty() {
      return clauses.isEmpty();
    }

    void addTo(BooleanQuery.Builder query, Occur occur) {
      clauses.forEach((clause, weight) -> query.add(weight == 1f ? clause : new BoostQuery(clause, weight), occur));
    }

    Query query() {
      BooleanQuery.Builder any = new BooleanQuery.Builder();
      addTo(any, Occur.SHOULD);
      return any.build();
    }
  }
}
