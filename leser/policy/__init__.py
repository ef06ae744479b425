"""Policies: any causal language model, its shared-prefix forward pass and its sampler (torch is imported by the modules)."""
