"""Which core of the processor a measurement runs on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def pinned(enabled: bool = True) -> Iterator[None]:
    """Hold this thread on the last core that it may use: the first one serves most interrupts.

    Systems that do not let a process choose its cores leave it where it is.
    """
    if not enabled or not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
