"""Evaluation: systems side by side on one split, with intervals, and the baselines a learned policy must beat."""
