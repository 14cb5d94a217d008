"""The same measures at many checkpoints: planned, resumed, shared among processes, looked at."""
