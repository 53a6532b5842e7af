"""What finance keeps: exports that were asked for, flags, counts of draws. Reports read their figures from the money itself."""

from finance.models.exports import Export, ExportState
from finance.models.flags import DrawTally, Flag, FlagKind, FlagState, Severity, TallyProgress

__all__ = ["DrawTally", "Export", "ExportState", "Flag", "FlagKind", "FlagState", "Severity", "TallyProgress"]
