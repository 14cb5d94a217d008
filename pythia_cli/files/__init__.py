"""Files: reading, hashing, atomic writing, and locks between processes."""
