"""From a dataset to what models see."""
