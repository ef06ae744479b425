"""Holes: documents that nobody has judged, and the three ways to count them (docs/holes.md)."""
