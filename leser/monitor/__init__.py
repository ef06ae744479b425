"""The monitor: signs that a policy games its reward, in words."""
