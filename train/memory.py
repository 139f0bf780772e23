"""Memory of a training process on a CPU."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # malloc.h
_LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let the allocator keep what a training step frees, for the next step.

    glibc gives large blocks back to the kernel at once, and each step pays for every page of its activations again. It is told
    for the whole process.

    Returns:
        Whether the C library is one that can be told so.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _LARGEST), (_TOP_PAD, 256 * 1024 * 1024))
    return all(mallopt(name, value) == 1 for name, value in settings)
