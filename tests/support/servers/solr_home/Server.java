import org.apache.solr.embedded.JettyConfig;
import org.apache.solr.embedded.JettySolrRunner;

/** Solr over HTTP until it is killed: java -cp 'lib/*' Server.java HOME PORT. */
public class Server {
  public static void main(String[] arguments) throws Exception {
    JettyConfig config =
        JettyConfig.builder().setPort(Integer.parseInt(arguments[1])).setContext("/solr").build();
    try {
      new JettySolrRunner(arguments[0], config).start();
    } catch (Exception error) { // threads that it started would keep a server alive that never answers
      error.printStackTrace();
      System.exit(1);
    }
    Thread.currentThread().join();
  }
}
