"""The published Pythia suite: models, shapes, steps and names. Reads no files."""
