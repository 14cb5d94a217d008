"""Structure-aware fuzzing: damaged and hostile inputs of ten kinds (README.md)."""
