"""Judgments examined: what they hold, what they lack, and whether anything can be learned from them."""
