"""The stages of one dataset and seed: what the flow's steps call."""
