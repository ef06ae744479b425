"""Policies: any causal language model, its shared-prefix pass and its sampler; importing this loads no torch."""
