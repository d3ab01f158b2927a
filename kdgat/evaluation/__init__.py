"""Metrics, operating points and intervals."""
