"""The operating system: how many cores we may use, and threads on them."""
