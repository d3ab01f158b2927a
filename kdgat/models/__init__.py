"""The models: one concept a file, equations and shapes in the docstrings."""
