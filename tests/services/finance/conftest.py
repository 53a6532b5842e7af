"""What tests of finance share."""

from tests.services.finance.trading import trading

__all__ = ["trading"]
