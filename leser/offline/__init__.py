"""From a log of queries to a store of guarded expansions, and from one store to the next."""
