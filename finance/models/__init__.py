"""What finance keeps: exports that were asked for. Figures are never kept; reports read them from the money itself."""

from finance.models.exports import Export, ExportState

__all__ = ["Export", "ExportState"]
