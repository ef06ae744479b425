"""Search: any backend, with what every engine needs around it."""

from leser.engine.client import ExpansionResult, SearchClient
from leser.engine.fusion import reciprocal_rank_fusion
from leser.engine.guards import SearchStats
from leser.engine.options import SearchOptions

__all__ = ["ExpansionResult", "SearchClient", "SearchOptions", "SearchStats", "reciprocal_rank_fusion"]
