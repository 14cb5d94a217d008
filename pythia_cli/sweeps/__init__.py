"""Many cells of (checkpoint, measure, input): running them, and looking at what they found."""
