"""What finance keeps: exports that were asked for, flags, counts of draws. Reports read their figures from the money itself."""

from finance.models.exports import Export, ExportState
from finance.models.flags import DeliveryTally, DrawTally, Flag, FlagKind, FlagState, PlayTally, Severity, TallyProgress

__all__ = [
    "DeliveryTally",
    "DrawTally",
    "Export",
    "ExportState",
    "Flag",
    "FlagKind",
    "FlagState",
    "PlayTally",
    "Severity",
    "TallyProgress",
]
