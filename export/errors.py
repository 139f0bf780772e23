"""Errors of the export package."""

from mobile_runtime.errors import SkintriageError


class ExportError(SkintriageError):
    """A variant could not be written, or differs from the network it was made from."""
