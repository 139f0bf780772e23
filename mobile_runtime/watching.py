"""A folder that is watched: each new photograph gets one verdict, once, whatever is restarted in between.

What has been done is what lies in the output folder: the JSON of a photograph is written last, by renaming, and names the size
and time of the file it is about. A photograph that is replaced by another of the same name is new.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mobile_runtime.decoding import EXTENSIONS
from mobile_runtime.errors import CaptureError

RETRY_S = 30.0


@dataclass(frozen=True)
class Stamp:
    """What tells one content of a file from the next: size in bytes, time of change in nanoseconds."""

    size_bytes: int
    changed_ns: int


def verdict_path(photo: Path, out: Path) -> Path:
    """Where the JSON of a photograph goes; the annotated picture beside it is NAME.verdict.png."""
    return out / f"{photo.name}.json"


def is_done(photo: Path, stamp: Stamp, out: Path) -> bool:
    """Whether the output folder holds a verdict on this content of the photograph."""
    try:
        document = json.loads(verdict_path(photo, out).read_bytes())
        return bool(document["file"] == {"size_bytes": stamp.size_bytes, "changed_ns": stamp.changed_ns})
    except (OSError, ValueError, KeyError, TypeError):
        return False


def arrivals(
    folder: Path,
    out: Path,
    interval_s: float = 1.0,
    settle_s: float = 2.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[tuple[Path, Stamp]]:
    """Photographs without a verdict, for ever, each once its size and time of change have kept still: it may be half copied.

    One that still has none when the next is asked for comes again, no sooner than `RETRY_S` later.

    Args:
        folder: what is watched, its own files only; hidden files and other types are left alone.
        out: where verdicts go.
        interval_s: seconds between looks.
        settle_s: seconds for which a file must not change.
        sleep, clock: for tests.

    Raises:
        CaptureError: the folder cannot be listed at the first look.
    """
    seen: dict[Path, tuple[Stamp, float]] = {}
    listed = False
    while True:
        try:
            photos = sorted(p for p in folder.iterdir() if p.suffix.lower() in EXTENSIONS and not p.name.startswith("."))
        except OSError as error:
            if not listed:
                raise CaptureError(f"{folder}: {error.strerror}; give a folder that can be read") from error
            sleep(interval_s)  # a share that is away for a moment comes back
            continue
        listed = True
        for photo in photos:
            try:
                stat = photo.stat()
            except OSError:  # taken away again
                continue
            stamp = Stamp(stat.st_size, max(0, stat.st_mtime_ns))
            known, since = seen.get(photo, (None, 0.0))
            if known != stamp:
                seen[photo] = (stamp, clock())
            elif clock() - since >= settle_s and not is_done(photo, stamp, out):
                yield photo, stamp
                if not is_done(photo, stamp, out):
                    seen[photo] = (stamp, clock() + RETRY_S)
        sleep(interval_s)
