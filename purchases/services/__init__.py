"""The orchestrator of rounds: buy, open a held one, cancel, recover. One module a use case."""
