"""The files that hold weights: float checkpoints as published, and our int8 file."""
