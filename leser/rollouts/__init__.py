"""Rollout engines: the policy itself, vLLM in this process or as a server, Ray; and what holds any engine to its contract."""
