"""Run EleutherAI Pythia checkpoints in int8 on a CPU."""
