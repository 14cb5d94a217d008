"""The transformer on int8 weights: KV cache, scoring, sampling, generation."""
