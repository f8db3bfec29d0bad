"""Executors, one file or folder each; none knows of another."""
