"""The pages of finance, one module each."""

from finance.admin import closing, exports, flags, reports, statements

__all__ = ["closing", "exports", "flags", "reports", "statements"]
