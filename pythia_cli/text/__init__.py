"""Text: the tokenizer, input bytes to text, tokens to a stream of text, text made safe to show."""
