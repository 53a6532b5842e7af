"""The pages of finance, one module each."""

from finance.admin import flags, statements

__all__ = ["flags", "statements"]
