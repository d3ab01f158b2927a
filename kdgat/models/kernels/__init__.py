"""Compiled parts of models; a kernel's machine code is kept as long as this package does not change."""
