"""The pages of finance, one module each."""

from finance.admin import exports, flags, reports, statements

__all__ = ["exports", "flags", "reports", "statements"]
