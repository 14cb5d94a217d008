"""Interfaces of other people's programs: lm-evaluation-harness."""
