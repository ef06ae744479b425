"""The service: expansions of frequent queries from a store, of others from a live policy, and events back from the shop."""
