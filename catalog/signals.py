"""What the catalogue tells the layers above it, which it knows nothing of."""

from typing import Final

from django.dispatch import Signal

# Sent by every door that publishes, inside the publishing transaction, with `version: BoxVersion` and `at: datetime`. A
# receiver that raises undoes the publication, and an event that it stores is there exactly when the version is.
box_published: Final = Signal()
