"""Numba kernels. They read arrays and write `out` arrays: no state, no validation, no files.

A kernel works on the half-open range [lo, hi) of one axis, so that threads can share the work. The
results do not depend on how the range is divided.
"""
