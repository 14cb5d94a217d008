"""Opening models by name, and what an open model does: the heart of the library."""
