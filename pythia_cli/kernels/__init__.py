"""Numba kernels: arrays in, `out` arrays written; no state, no validation, no files.

A kernel works on the half-open range [lo, hi) of one axis, so that threads can share it out;
what it writes never depends on how the range was cut.
"""
