"""Experiment trackers as mirrors of the run's own records."""
