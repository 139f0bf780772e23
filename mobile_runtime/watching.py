"""A folder that is watched: each new photograph gets one verdict, once, whatever is restarted in between.

What has been done is what lies in the output folder: the JSON of a photograph is written last, by renaming, and names the size
and time of change of the file it is about. A photograph that is replaced by another of its name is new, whatever its date.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from mobile_runtime.decoding import EXTENSIONS
from mobile_runtime.errors import CaptureError
from mobile_runtime.files import changed_ns

RETRY_S = 30.0
NEVER_MEANT = (".json", ".tmp", ".temp", ".part", ".partial", ".crdownload", ".download")
"""Endings of files that nobody means as photographs: verdicts, and copies that are under way."""


def is_left_out(path: PurePath) -> bool:
    """Whether a file is not judged for its ending, and somebody should hear of it: it may be a photograph.

    Hidden files, copies that are under way and JSON are passed over in silence.
    """
    suffix = path.suffix.lower()
    return suffix not in (*EXTENSIONS, *NEVER_MEANT) and not path.name.startswith(".") and not path.name.endswith("~")


@dataclass(frozen=True)
class Stamp:
    """What tells one content of a file from the next: size in bytes, time of change as `files.changed_ns` has it."""

    size_bytes: int
    changed_ns: int


def _stamp(path: Path) -> Stamp | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return Stamp(stat.st_size, changed_ns(stat))


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
    left_out: Callable[[Path], None] = lambda path: None,
) -> Iterator[tuple[Path, Stamp]]:
    """Photographs without a verdict, for ever, each once its size and time of change have kept still: it may be half copied.

    One that still has none when the next is asked for comes again, no sooner than `RETRY_S` later.

    Args:
        folder: what is watched, its own files only; hidden files and other types are left alone.
        out: where verdicts go.
        interval_s: seconds between looks.
        settle_s: seconds for which a file must not change.
        sleep, clock: for tests.
        left_out: is called once with each file that `is_left_out`, when it has kept still.

    Raises:
        CaptureError: the folder cannot be listed at the first look.
    """
    seen: dict[Path, tuple[Stamp, float]] = {}
    judged: dict[Path, tuple[Stamp, Stamp]] = {}
    named: set[Path] = set()

    def has_verdict(photo: Path, stamp: Stamp) -> bool:
        # A verdict is read once and then only looked at, or a share would carry all of them every second.
        verdict = _stamp(verdict_path(photo, out))
        if verdict is not None and judged.get(photo) != (stamp, verdict) and is_done(photo, stamp, out):
            judged[photo] = (stamp, verdict)
        return verdict is not None and judged.get(photo) == (stamp, verdict)

    listed = False
    while True:
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:
            if not listed:
                raise CaptureError(f"{folder}: {error.strerror}; give a folder that can be read") from error
            sleep(interval_s)  # a share that is away for a moment comes back
            continue
        listed = True
        photos = [path for path in entries if path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")]
        others = [path for path in entries if is_left_out(path) and path not in named]
        for photo in (*photos, *others):
            stamp = _stamp(photo)
            if stamp is None:  # taken away again
                continue
            known, since = seen.get(photo, (None, 0.0))
            if known != stamp:
                seen[photo] = (stamp, clock())
            elif clock() - since < settle_s:
                continue
            elif is_left_out(photo):
                named.add(photo)
                if photo.is_file():
                    left_out(photo)
            elif not has_verdict(photo, stamp):
                yield photo, stamp
                if not has_verdict(photo, stamp):
                    seen[photo] = (stamp, clock() + RETRY_S)
        sleep(interval_s)
