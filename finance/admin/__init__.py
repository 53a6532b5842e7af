"""The pages of finance, one module each."""

from finance.admin import flags

__all__ = ["flags"]
