"""Exports: one definition of columns a report, three formats, and streams that take the same memory for any number of rows."""
