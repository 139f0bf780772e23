"""A folder that is watched: each new photograph gets one verdict, once, whatever is restarted in between.

What has been done is what lies in the output folder: the JSON of a photograph is written last, by renaming, and names the size
and time of change of the file it is about, the bundle and the operating point. A photograph that is replaced by another of its
name is new, whatever its date; the verdict on the one before is taken away as soon as that is seen. An output folder belongs to
one watched folder: in another, a photograph of the same name is somebody else's.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from mobile_runtime.decoding import EXTENSIONS
from mobile_runtime.errors import CaptureError
from mobile_runtime.files import changed_ns, write_json

OWNER = ".watched.json"
"""In an output folder, names the folder whose verdicts it holds."""
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


@dataclass(frozen=True)
class Basis:
    """What a verdict rests on, besides the photograph: names as in its JSON."""

    bundle: str
    variant: str
    operating_point: str


def is_done(photo: Path, stamp: Stamp, out: Path, basis: Basis) -> bool:
    """Whether the output folder holds a verdict of this basis on this content of the photograph, or why there is none."""
    try:
        document = json.loads(verdict_path(photo, out).read_bytes())
        if document["file"] != {"size_bytes": stamp.size_bytes, "changed_ns": stamp.changed_ns}:
            return False
        if "error" in document:
            return True
        model, point = document["model"], document["operating_point"]
        return Basis(model["bundle"], model["variant"], point["name"]) == basis
    except (OSError, ValueError, KeyError, TypeError):
        return False


def claim(folder: Path, out: Path) -> None:
    """Make an output folder that of a watched one, or find that it is.

    Raises:
        CaptureError: it holds the verdicts of another one.
    """
    place, owner = str(folder.resolve()), out / OWNER
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        if (other := json.loads(owner.read_bytes())["folder"]) != place:
            raise CaptureError(f"{out}: holds verdicts on photographs of {other}; choose another --out, or remove {owner}")
        return
    write_json(owner, {"folder": place})


def arrivals(
    folder: Path,
    out: Path,
    basis: Basis,
    interval_s: float = 1.0,
    settle_s: float = 2.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    left_out: Callable[[Path], None] = lambda path: None,
    outdated: Callable[[Path], None] = lambda path: None,
) -> Iterator[tuple[Path, Stamp]]:
    """Photographs without a verdict, for ever, each once its size and time of change have kept still: it may be half copied.

    One that still has none when the next is asked for comes again, no sooner than `RETRY_S` later.

    Args:
        folder: what is watched, its own files only; hidden files and other types are left alone.
        out: where verdicts go.
        basis: of the verdicts that are to be there.
        interval_s: seconds between looks.
        settle_s: seconds for which a file must not change.
        sleep, clock: for tests.
        left_out: is called once with each file that `is_left_out`, when it has kept still.
        outdated: is called at once with each photograph that is new or has changed, unless the verdict on it is there.

    Raises:
        CaptureError: the folder cannot be listed at the first look.
    """
    seen: dict[Path, tuple[Stamp, float]] = {}
    judged: dict[Path, tuple[Stamp, Stamp]] = {}
    named: set[Path] = set()

    def has_verdict(photo: Path, stamp: Stamp) -> bool:
        # A verdict is read once and then only looked at, or a share would carry all of them every second.
        verdict = _stamp(verdict_path(photo, out))
        if verdict is not None and judged.get(photo) != (stamp, verdict) and is_done(photo, stamp, out, basis):
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
                if not is_left_out(photo) and not has_verdict(photo, stamp):
                    outdated(photo)
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
