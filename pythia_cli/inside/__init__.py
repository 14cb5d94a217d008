"""Activations of a running model: read, changed, kept."""
