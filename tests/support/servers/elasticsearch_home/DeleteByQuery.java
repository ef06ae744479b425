package leser;

import java.util.List;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.action.bulk.BulkRequest;
import org.elasticsearch.action.delete.DeleteRequest;
import org.elasticsearch.action.search.SearchRequest;
import org.elasticsearch.action.search.SearchResponse;
import org.elasticsearch.action.support.ActionFilters;
import org.elasticsearch.action.support.HandledTransportAction;
import org.elasticsearch.action.support.WriteRequest.RefreshPolicy;
import org.elasticsearch.client.internal.Client;
import org.elasticsearch.common.util.concurrent.EsExecutors;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.index.reindex.BulkByScrollResponse;
import org.elasticsearch.index.reindex.BulkByScrollTask;
import org.elasticsearch.index.reindex.DeleteByQueryAction;
import org.elasticsearch.index.reindex.DeleteByQueryRequest;
import org.elasticsearch.injection.guice.Inject;
import org.elasticsearch.search.SearchHit;
import org.elasticsearch.tasks.Task;
import org.elasticsearch.transport.TransportService;

/** Deletes what one search of ten thousand hits finds: the action of the module reindex, as far as the synonyms API needs it. */
public class DeleteByQuery extends HandledTransportAction<DeleteByQueryRequest, BulkByScrollResponse> {
  private final Client client;

  @Inject
  public DeleteByQuery(TransportService transport, ActionFilters filters, Client client) {
    super(DeleteByQueryAction.NAME, transport, filters, DeleteByQueryRequest::new, EsExecutors.DIRECT_EXECUTOR_SERVICE);
    this.client = client;
  }

  @Override
  protected void doExecute(Task task, DeleteByQueryRequest request, ActionListener<BulkByScrollResponse> listener) {
    SearchRequest given = request.getSearchRequest();
    SearchRequest search = new SearchRequest(given.indices(), given.source().size(10_000)).indicesOptions(given.indicesOptions());
    client.search(search, listener.delegateFailureAndWrap((then, found) -> delete(found, then)));
  }

  private void delete(SearchResponse found, ActionListener<BulkByScrollResponse> listener) {
    BulkRequest bulk = new BulkRequest().setRefreshPolicy(RefreshPolicy.IMMEDIATE);
    for (SearchHit hit : found.getHits().getHits()) {
      bulk.add(new DeleteRequest(hit.getIndex(), hit.getId()));
    }
    if (bulk.numberOfActions() == 0) {
      listener.onResponse(done());
      return;
    }
    client.bulk(bulk, listener.map(ignored -> done()));
  }

  private static BulkByScrollResponse done() {
    return new BulkByScrollResponse(TimeValue.ZERO, new BulkByScrollTask.Status(List.of(), null), List.of(), List.of(), false);
  }
}
