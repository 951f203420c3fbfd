"""Data sets: one file a source, one shape for all of them."""
