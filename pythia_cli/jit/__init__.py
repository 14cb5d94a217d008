"""How Numba code is declared, compiled, cached, loaded and run by threads. Knows no model."""
