"""What finance does: it reads all that other apps keep, and changes none of it."""
