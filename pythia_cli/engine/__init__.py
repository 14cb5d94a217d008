"""The transformer over an int8 file: weights, KV cache, scoring, sampling, generation."""
