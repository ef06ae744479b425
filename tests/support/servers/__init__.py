"""Real search servers for the tests, and a proxy that gets in their way.

def test_it(elasticsearch_8: Server) -> None: ...            one server for the whole test run
with start_elasticsearch(tmp_path) as server: server.kill()  a server of the test's own
with Proxy(server) as proxy: proxy.throttle(times=1)         what happens between the two
"""

from servers.elasticsearch import start_elasticsearch
from servers.proxy import Proxy
from servers.server import Server, ServerFailed
from servers.solr import create_core, start_solr

__all__ = ["Proxy", "Server", "ServerFailed", "create_core", "start_elasticsearch", "start_solr"]
