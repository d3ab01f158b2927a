"""Compiled kernels: frames → window graphs, in two passes over all windows at once.

`topology` finds nodes and edges of each window and leaves, for every frame, the number of its node and of the edge to
the next frame. With the totals known, `published` and `relative` fill rows of the final arrays in place. All release
the interpreter lock, so ranges of windows run in parallel threads; all are cached on disk.
"""
