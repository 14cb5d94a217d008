"""Text: the tokenizer, decoding input, streaming output, and escaping of control characters."""
