"""Search: any backend, with what every engine needs around it."""

from leser.search.client import ExpansionResult, SearchClient
from leser.search.fusion import reciprocal_rank_fusion
from leser.search.guards import SearchStats
from leser.search.options import SearchOptions

__all__ = ["ExpansionResult", "SearchClient", "SearchOptions", "SearchStats", "reciprocal_rank_fusion"]
