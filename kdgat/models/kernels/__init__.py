"""Compiled parts of models: attention over edges by target and sums over nodes on CPUs, and rules over frames."""
