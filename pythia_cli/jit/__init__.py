"""Declares, compiles, caches, loads and runs Numba kernels. Independent of any model."""
