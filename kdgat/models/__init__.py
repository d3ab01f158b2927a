"""The models: one concept per file, equations and shapes in the docstrings."""
