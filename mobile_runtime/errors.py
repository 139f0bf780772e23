"""Typed errors of the runtime. Each message names what was wrong and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class SkintriageError(Exception):
    """Base of every error that a user can cause and mend."""


class CaptureError(SkintriageError):
    """An image or camera frame could not be turned into the model's input."""


class BundleError(SkintriageError):
    """A bundle is incomplete, altered, of a newer schema, or lacks what was asked for."""


class EngineError(SkintriageError):
    """An inference engine is missing or refused the model."""


class MissingEngineError(EngineError):
    """The runtime that a variant needs is not installed, or not for this machine."""


class ServingError(SkintriageError):
    """The page is not built, or cannot be served where it was to be."""


class TaxonomyError(SkintriageError):
    """The taxonomy is malformed, or a label or node is not in it."""


class DataError(SkintriageError):
    """A data set, label file, split or recipe is missing something or contradicts itself."""


class MissingExtraError(SkintriageError):
    """A command needs an optional dependency group that is not installed."""


def name_columns(names: Iterable[object]) -> str:
    """The columns of a table for a message, each on one line whatever breaks its name."""
    return ", ".join(" ".join(str(name).split()) for name in names)


def name_few(names: Sequence[str], shown: int = 5) -> str:
    """The first few of some names for a message, and how many more there are."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")
