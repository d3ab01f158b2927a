"""Releases: immutable folders of tables, and the runs they come from."""
