"""Replay: what a policy sampled once, judged again without sampling, and made into targets."""
