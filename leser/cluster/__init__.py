"""Workers of a Ray: what jobs of many blocks are shared among, for precomputing, for rollouts and for encoding."""
