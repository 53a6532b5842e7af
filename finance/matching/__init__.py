"""Matching a casino's own statement with our wallet calls: the file, its lines, the comparison, what to say of a difference."""
