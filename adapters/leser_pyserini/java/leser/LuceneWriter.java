package leser;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.apache.lucene.analysis.Analyzer;
import org.apache.lucene.analysis.de.GermanAnalyzer;
import org.apache.lucene.analysis.en.EnglishAnalyzer;
import org.apache.lucene.analysis.standard.StandardAnalyzer;
import org.apache.lucene.document.BinaryDocValuesField;
import org.apache.lucene.document.Document;
import org.apache.lucene.document.DoublePoint;
import org.apache.lucene.document.Field;
import org.apache.lucene.document.StoredField;
import org.apache.lucene.document.StringField;
import org.apache.lucene.document.TextField;
import org.apache.lucene.index.IndexWriter;
import org.apache.lucene.index.IndexWriterConfig;
import org.apache.lucene.index.LogDocMergePolicy;
import org.apache.lucene.index.Term;
import org.apache.lucene.store.FSDirectory;
import org.apache.lucene.util.BytesRef;

/**
 * Writes an index that Anserini and Pyserini can open as well: field `id`, searched field `contents`, JSON in `raw`.
 * Beside them every field is searchable under its own name and filterable as `name.keyword` and `name.number`.
 */
public final class LuceneWriter implements AutoCloseable {
  static final String KEYWORD = ".keyword";
  static final String NUMBER = ".number";
  static final String ANALYSIS = "leser.analysis";
  /** Lucene's advice on Java versions and vector instructions is not for LESER's users. Held here, or it is collected. */
  private static final Logger LUCENE = Logger.getLogger("org.apache.lucene");

  static void quieten() {
    LUCENE.setLevel(Level.SEVERE);
  }

  private final FSDirectory directory;
  private final IndexWriter writer;
  private final String analysis;
  private boolean finished = false;

  public LuceneWriter(String folder, String analysis, boolean append) throws IOException {
    quieten();
    this.analysis = analysis;
    directory = FSDirectory.open(Path.of(folder));
    IndexWriterConfig config = new IndexWriterConfig(analyzer(analysis));
    config.setOpenMode(append ? IndexWriterConfig.OpenMode.CREATE_OR_APPEND : IndexWriterConfig.OpenMode.CREATE);
    config.setCommitOnClose(false);
    config.setRAMBufferSizeMB(128);
    // Merges neighbours only, so documents keep the order they came in: it decides between equal scores.
    config.setMergePolicy(new LogDocMergePolicy());
    writer = new IndexWriter(directory, config);
  }

  static Analyzer analyzer(String analysis) {
    return switch (analysis) {
      case "english" -> new EnglishAnalyzer();
      case "german" -> new GermanAnalyzer();
      case "standard" -> new StandardAnalyzer();
      default -> throw new IllegalArgumentException("No analysis '" + analysis + "'. Available: english, german, standard.");
    };
  }

  static boolean isText(String field) {
    return !field.equals("id") && !field.endsWith(KEYWORD) && !field.endsWith(NUMBER);
  }

  /** [{"id", "contents", "raw", "text": {field: text}, "keyword": {field: text}, "number": {field: number}}, ...] */
  public void add(String request) throws IOException {
    for (JsonNode node : LuceneEngine.JSON.readTree(request)) {
      Document document = new Document();
      String id = node.get("id").asText();
      document.add(new StringField("id", id, Field.Store.YES));
      document.add(new BinaryDocValuesField("id", new BytesRef(id)));
      document.add(new StoredField("raw", node.get("raw").asText()));
      document.add(new TextField("contents", node.get("contents").asText(), Field.Store.NO));
      node.get("text").fields().forEachRemaining(field ->
          document.add(new TextField(field.getKey(), field.getValue().asText(), Field.Store.NO)));
      node.get("keyword").fields().forEachRemaining(field ->
          document.add(new StringField(field.getKey() + KEYWORD, field.getValue().asText(), Field.Store.NO)));
      node.get("number").fields().forEachRemaining(field ->
          document.add(new DoublePoint(field.getKey() + NUMBER, field.getValue().asDouble())));
      writer.updateDocument(new Term("id", id), document);
    }
  }

  /** Merges into one segment and commits; until then readers see what was there before. */
  public void finish() throws IOException {
    writer.forceMerge(1);
    writer.setLiveCommitData(Map.of(ANALYSIS, analysis).entrySet());
    writer.commit();
    finished = true;
  }

  /** Closes; what was not finished is dropped. */
  @Override
  public void close() throws IOException {
    if (finished) {
      writer.close();
    } else {
      writer.rollback();
    }
    directory.close();
  }
}
