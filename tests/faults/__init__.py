"""The fault suite: the real product as processes, an operator's wallet with a ledger of its own, and everything that breaks."""
