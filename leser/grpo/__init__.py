"""GRPO: advantages, loss and update (torch is imported by the modules)."""
