"""Verified search: expansions that the engine and a judge have proven for a query, with labels or without any.

    from leser.verified.search import search_expansions

Options are imported by every configuration, so this package loads nothing by itself.
"""
