"""What finance keeps: exports that were asked for, flags, counts, statements, closed days. Reports read the money itself."""

from finance.models.closing import ClosedDay, CloseState
from finance.models.exports import Export, ExportState
from finance.models.flags import (
    DeliveryTally,
    DrawDay,
    DrawTally,
    Flag,
    FlagKind,
    FlagState,
    PlayTally,
    Severity,
    TallyProgress,
)
from finance.models.statements import Category, Difference, Statement, StatementFormat, StatementPart, StatementState

__all__ = [
    "Category",
    "CloseState",
    "ClosedDay",
    "DeliveryTally",
    "Difference",
    "DrawDay",
    "DrawTally",
    "Export",
    "ExportState",
    "Flag",
    "FlagKind",
    "FlagState",
    "PlayTally",
    "Severity",
    "Statement",
    "StatementFormat",
    "StatementPart",
    "StatementState",
    "TallyProgress",
]
