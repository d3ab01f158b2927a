"""Compiled parts of the evaluation: what a bootstrap computes thousands of times."""
