"""Queries made of a catalogue: what people might type to find its products, where nobody has kept what they typed.

from leser.made.make import make_queries
"""
