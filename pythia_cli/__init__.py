"""Run EleutherAI Pythia checkpoints in int8 on a CPU."""

__version__ = "0.1.0"
