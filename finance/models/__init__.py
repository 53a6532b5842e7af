"""What finance keeps: exports that were asked for, flags, counts of draws, statements. Reports read the money itself."""

from finance.models.exports import Export, ExportState
from finance.models.flags import DrawTally, Flag, FlagKind, FlagState, Severity, TallyProgress
from finance.models.statements import Category, Difference, Statement, StatementFormat, StatementPart, StatementState

__all__ = [
    "Category",
    "Difference",
    "DrawTally",
    "Export",
    "ExportState",
    "Flag",
    "FlagKind",
    "FlagState",
    "Severity",
    "Statement",
    "StatementFormat",
    "StatementPart",
    "StatementState",
    "TallyProgress",
]
