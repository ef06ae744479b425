"""Policies: any causal language model, its shared-prefix forward pass and its sampler; importing this loads no torch."""
