"""Rollout engines: the policy itself, vLLM in this process, vLLM as a server; and what holds any engine to its contract."""
