"""One file that carries a model, what is known of it, and the proof that a device computes it."""
