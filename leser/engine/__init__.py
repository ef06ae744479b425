"""Search: any backend, with what every engine needs around it."""

from leser.engine.client import ExpansionResult, SearchClient, check_mode
from leser.engine.fusion import reciprocal_rank_fusion
from leser.engine.guards import SearchStats
from leser.engine.options import SearchOptions

__all__ = ["ExpansionResult", "SearchClient", "SearchOptions", "SearchStats", "check_mode", "reciprocal_rank_fusion"]
