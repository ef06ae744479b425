package leser;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.document.Document;
import org.apache.lucene.index.BinaryDocValues;
import org.apache.lucene.index.DirectoryReader;
import org.apache.lucene.index.DocValues;
import org.apache.lucene.index.FieldInfo;
import org.apache.lucene.index.FieldInfos;
import org.apache.lucene.index.IndexOptions;
import org.apache.lucene.index.IndexableField;
import org.apache.lucene.index.LeafReaderContext;
import org.apache.lucene.index.MultiBits;
import org.apache.lucene.index.ReaderUtil;
import org.apache.lucene.index.StoredFields;
import org.apache.lucene.index.Term;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.ScoreDoc;
import org.apache.lucene.search.TermQuery;
import org.apache.lucene.search.TopDocs;
import org.apache.lucene.search.similarities.BM25Similarity;
import org.apache.lucene.store.FSDirectory;
import org.apache.lucene.util.Bits;
import org.apache.lucene.util.StringHelper;

/**
 * An open index that answers whole batches: one JSON text in, one JSON text out, so that Python crosses into Java once a
 * batch and not once a clause and a hit. All texts are ASCII (the rest escaped): the bridge's own encoding is not UTF-8.
 */
public final class LuceneEngine implements AutoCloseable {
  static final ObjectMapper JSON = new ObjectMapper(
      JsonFactory.builder().configure(JsonWriteFeature.ESCAPE_NON_ASCII, true).build());

  private final FSDirectory directory;
  private final DirectoryReader reader;
  private final IndexSearcher searcher;
  private final Analyzer analyzer;
  private final String analysis;
  private final QueryBuilder queries;
  private final ExecutorService threads;

  public LuceneEngine(String settings) throws IOException {
    LuceneWriter.quieten();
    JsonNode options = JSON.readTree(settings);
    directory = FSDirectory.open(Path.of(options.get("index").asText()));
    reader = DirectoryReader.open(directory);
    String indexed = reader.getIndexCommit().getUserData().get(LuceneWriter.ANALYSIS);
    String asked = options.path("analysis").asText(null);
    analysis = asked != null ? asked : indexed != null ? indexed : "english";
    analyzer = LuceneWriter.analyzer(analysis);
    // A batch holds as many clauses as its sender allows; Lucene's limit of 1024 guards against query parsers.
    IndexSearcher.setMaxClauseCount(1 << 20);
    searcher = new IndexSearcher(reader);
    searcher.setSimilarity(new BM25Similarity((float) options.get("k1").asDouble(), (float) options.get("b").asDouble()));
    queries = new QueryBuilder(analyzer, options.get("fields"), options.get("match").asText().equals("rerank"), fields());
    threads = Executors.newFixedThreadPool(options.get("threads").asInt(), task -> {
      Thread thread = new Thread(task, "leser-search");
      thread.setDaemon(true);
      return thread;
    });
  }

  /** Facts about the index: documents, fields, the analysis it was made with, an id that changes with every commit. */
  public String facts() throws IOException {
    String indexed = reader.getIndexCommit().getUserData().get(LuceneWriter.ANALYSIS);
    return write(out -> {
      out.writeStartObject();
      out.writeNumberField("documents", reader.numDocs());
      out.writeStringField("analysis", analysis);
      out.writeStringField("indexed", indexed);
      out.writeStringField("lucene", org.apache.lucene.util.Version.LATEST.toString());
      out.writeStringField("commit", StringHelper.idToString(
          org.apache.lucene.index.SegmentInfos.readCommit(directory, reader.getIndexCommit().getSegmentsFileName()).getId()));
      out.writeArrayFieldStart("fields");
      for (String field : fields()) {
        out.writeString(field);
      }
      out.writeEndArray();
      out.writeEndObject();
    });
  }

  private Set<String> fields() {
    Set<String> names = new java.util.TreeSet<>();
    for (FieldInfo field : FieldInfos.getMergedFieldInfos(reader)) {
      if (field.getIndexOptions() != IndexOptions.NONE || field.getPointDimensionCount() > 0) {
        names.add(field.name);
      }
    }
    return names;
  }

  /** {"k", "total", "queries"} to one entry a query: [[ids], [scores], total or null, microseconds], or the message of its refusal. */
  public String search(String request) throws Exception {
    JsonNode batch = JSON.readTree(request);
    int k = batch.get("k").asInt();
    boolean total = batch.get("total").asBoolean();
    List<Callable<Found>> tasks = new ArrayList<>();
    for (JsonNode query : batch.get("queries")) {
      tasks.add(() -> searchOne(query, k, total));
    }
    List<Future<Found>> answers = tasks.size() > 1 ? threads.invokeAll(tasks) : List.of();
    List<Found> all = new ArrayList<>(tasks.size());
    if (tasks.size() == 1) {
      all.add(tasks.get(0).call());
    }
    for (Future<Found> answer : answers) {
      all.add(answer.get());
    }
    return write(out -> {
      out.writeStartArray();
      for (Found found : all) {
        found.write(out, total);
      }
      out.writeEndArray();
    });
  }

  private Found searchOne(JsonNode node, int k, boolean total) throws IOException {
    long started = System.nanoTime();
    org.apache.lucene.search.Query query;
    try {
      query = queries.build(node);
    } catch (IllegalArgumentException refusal) {
      return new Found(null, null, 0, 0, refusal.getMessage());
    }
    int wanted = Math.max(1, Math.min(k, reader.maxDoc()));
    int depth = wanted;
    TopDocs top = searcher.search(query, depth);
    Map<String, ScoreDoc> best = bestOf(top.scoreDocs);
    // an index may hold an id twice: its best place counts, and others move up until there are as many as were asked for
    while (best.size() < wanted && top.scoreDocs.length == depth && depth < reader.maxDoc()) {
      depth = (int) Math.min(reader.maxDoc(), 2L * depth);
      top = searcher.search(query, depth);
      best = bestOf(top.scoreDocs);
    }
    int many = Math.min(wanted, best.size());
    String[] ids = best.keySet().stream().limit(many).toArray(String[]::new);
    ScoreDoc[] hits = best.values().stream().limit(many).toArray(ScoreDoc[]::new);
    // counted apart: the search itself stops counting at a thousand, and says so differently in Lucene 9 and 10
    int matches = total ? searcher.count(query) : 0;
    return new Found(ids, hits, matches, (System.nanoTime() - started) / 1000, null);
  }

  /** The first hit of each id, in their order. */
  private Map<String, ScoreDoc> bestOf(ScoreDoc[] hits) throws IOException {
    String[] ids = ids(hits);
    Map<String, ScoreDoc> best = new LinkedHashMap<>(hits.length * 2);
    for (int i = 0; i < hits.length; i++) {
      best.putIfAbsent(ids[i], hits[i]);
    }
    return best;
  }

  /** A number of documents to look at, spread over the index, to [how many ids were looked up, [those that several have]]. */
  public String repeated(String sample) throws IOException {
    Bits live = MultiBits.getLiveDocs(reader);
    int step = Math.max(1, reader.maxDoc() / Integer.parseInt(sample));
    List<ScoreDoc> looked = new ArrayList<>();
    for (int number = 0; number < reader.maxDoc(); number += step) {
      if (live == null || live.get(number)) {
        looked.add(new ScoreDoc(number, 0));
      }
    }
    Set<String> ids = bestOf(looked.toArray(ScoreDoc[]::new)).keySet();
    return write(out -> {
      out.writeStartArray();
      out.writeNumber(ids.size());
      out.writeStartArray();
      for (String id : ids) {
        if (searcher.count(new TermQuery(new Term("id", id))) > 1) {
          out.writeString(id);
        }
      }
      out.writeEndArray();
      out.writeEndArray();
    });
  }

  /** Ids of hits out of doc values, which are read in ascending document order, one iterator a segment. */
  private String[] ids(ScoreDoc[] hits) throws IOException {
    Integer[] order = new Integer[hits.length];
    Arrays.setAll(order, i -> i);
    Arrays.sort(order, (a, b) -> Integer.compare(hits[a].doc, hits[b].doc));
    String[] ids = new String[hits.length];
    LeafReaderContext leaf = null;
    BinaryDocValues values = null;
    for (int i : order) {
      int number = hits[i].doc;
      if (leaf == null || number >= leaf.docBase + leaf.reader().maxDoc()) {
        leaf = reader.leaves().get(ReaderUtil.subIndex(number, reader.leaves()));
        values = leaf.reader().getFieldInfos().fieldInfo("id").getDocValuesType() == org.apache.lucene.index.DocValuesType.NONE
            ? null : DocValues.getBinary(leaf.reader(), "id");
      }
      if (values != null && values.advanceExact(number - leaf.docBase)) {
        ids[i] = values.binaryValue().utf8ToString();
      } else {
        ids[i] = reader.storedFields().document(number, Set.of("id")).get("id");
      }
    }
    return ids;
  }

  /** {"ids", "fields"} to {id: {field: text}}: fields stored one by one, or inside the JSON text that Anserini stores. */
  public String fetch(String request) throws IOException {
    JsonNode asked = JSON.readTree(request);
    Set<String> fields = new HashSet<>();
    asked.get("fields").forEach(field -> fields.add(field.asText()));
    StoredFields stored = reader.storedFields();
    Set<String> load = new HashSet<>(fields);
    load.add("raw");
    return write(out -> {
      out.writeStartObject();
      for (JsonNode id : asked.get("ids")) {
        TopDocs found = searcher.search(new TermQuery(new Term("id", id.asText())), 1);
        if (found.scoreDocs.length == 0) {
          continue;
        }
        Document document = stored.document(found.scoreDocs[0].doc, load);
        out.writeObjectFieldStart(id.asText());
        JsonNode raw = document.get("raw") == null ? JSON.createObjectNode() : JSON.readTree(document.get("raw"));
        for (String field : fields) {
          String text = document.get(field) != null ? document.get(field) : raw.path(field).asText(null);
          if (text != null) {
            out.writeStringField(field, text);
          }
        }
        out.writeEndObject();
      }
      out.writeEndObject();
    });
  }

  /**
   * {"from", "size"} to {"documents": [[id, {field: text}], ...], "next": number or null}: of the next live documents all that is stored,
   * one by one and inside the JSON text that Anserini stores.
   */
  public String documents(String request) throws IOException {
    JsonNode asked = JSON.readTree(request);
    Bits live = MultiBits.getLiveDocs(reader);
    StoredFields stored = reader.storedFields();
    int last = (int) Math.min(reader.maxDoc(), asked.get("from").asLong() + asked.get("size").asInt());
    return write(out -> {
      out.writeStartObject();
      out.writeArrayFieldStart("documents");
      for (int number = asked.get("from").asInt(); number < last; number++) {
        if (live == null || live.get(number)) {
          writeStored(out, stored.document(number), ids(new ScoreDoc[] {new ScoreDoc(number, 0)})[0]);
        }
      }
      out.writeEndArray();
      out.writeFieldName("next");
      if (last < reader.maxDoc()) {
        out.writeNumber(last);
      } else {
        out.writeNull();
      }
      out.writeEndObject();
    });
  }

  private static void writeStored(JsonGenerator out, Document document, String id) throws IOException {
    Map<String, String> texts = new LinkedHashMap<>();
    JsonNode raw = document.get("raw") == null ? JSON.createObjectNode() : JSON.readTree(document.get("raw"));
    raw.fields().forEachRemaining(field -> {
      String text = field.getValue().asText(null);
      if (text != null) {
        texts.put(field.getKey(), text);
      }
    });
    for (IndexableField field : document.getFields()) {
      if (field.stringValue() != null && !field.name().equals("raw")) {
        texts.put(field.name(), document.get(field.name()));
      }
    }
    texts.remove("id");
    out.writeStartArray();
    out.writeString(id);
    out.writeObject(texts);
    out.writeEndArray();
  }

  /** ["text", ...] to [["term", ...], ...]. */
  public String analyze(String request) throws IOException {
    JsonNode texts = JSON.readTree(request);
    return write(out -> {
      out.writeStartArray();
      for (JsonNode text : texts) {
        out.writeStartArray();
        for (QueryBuilder.Word word : queries.words(text.asText())) {
          out.writeString(word.text());
        }
        out.writeEndArray();
      }
      out.writeEndArray();
    });
  }

  /** {"field", "terms"} to [documents that hold the term, ...]. */
  public String docFreq(String request) throws IOException {
    JsonNode asked = JSON.readTree(request);
    return write(out -> {
      out.writeStartArray();
      for (JsonNode term : asked.get("terms")) {
        out.writeNumber(reader.docFreq(new Term(asked.get("field").asText(), term.asText())));
      }
      out.writeEndArray();
    });
  }

  @Override
  public void close() throws IOException {
    threads.shutdown();
    reader.close();
    directory.close();
  }

  private record Found(String[] ids, ScoreDoc[] hits, long total, long micros, String refusal) {
    void write(JsonGenerator out, boolean withTotal) throws IOException {
      if (refusal != null) {
        out.writeString(refusal);
        return;
      }
      out.writeStartArray();
      out.writeStartArray();
      for (String id : ids) {
        out.writeString(id);
      }
      out.writeEndArray();
      out.writeStartArray();
      for (ScoreDoc hit : hits) {
        out.writeNumber(hit.score);
      }
      out.writeEndArray();
      if (withTotal) {
        out.writeNumber(total);
      } else {
        out.writeNull();
      }
      out.writeNumber(micros);
      out.writeEndArray();
    }
  }

  private interface Body {
    void write(JsonGenerator out) throws IOException;
  }

  private static String write(Body body) throws IOException {
    StringWriter text = new StringWriter();
    try (JsonGenerator out = JSON.createGenerator(text)) {
      body.write(out);
    }
    return text.toString();
  }
}
