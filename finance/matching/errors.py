"""What is wrong with a casino's file."""


class BrokenFile(Exception):
    """The file can't be read; the message says where, and what to do."""
