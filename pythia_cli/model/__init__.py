"""The transformer over an int8 file, and its slow twin."""
