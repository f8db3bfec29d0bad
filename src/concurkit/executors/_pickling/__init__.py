"""Tasks and results as bytes, for workers that share no memory with the caller."""
