"""What can be done with won items: cash them back, order them, let them expire. One module a use case."""
