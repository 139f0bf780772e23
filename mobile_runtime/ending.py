"""Being ended by a scheduler: the command exits at once, and what it was building is cleared away."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_received: list[int] = []


def _end(number: int, _: object) -> None:
    _received.append(number)
    exit_if_ended()


def exit_if_ended() -> None:
    """Exit with 128 + the signal's number when SIGTERM has come.

    The signal raises SystemExit wherever Python happens to be. A converter may swallow that, or turn it into an error of its
    own; so what takes long asks between its steps, and before anything is put in place.

    Raises:
        SystemExit: it has.
    """
    if _received:
        sys.exit(128 + _received[0])


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Exit with 143 on SIGTERM, whatever a library makes of it, so that `finally` and context managers run."""
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        exit_if_ended()
