"""Measures of what a checkpoint predicts about text."""
