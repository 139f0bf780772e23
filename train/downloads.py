"""Fetching one file over a bad line: resumed where it was cut, checked, and whole or not there.

A file grows under `NAME.part`, with the server's validator beside it, and takes its name only when its size and checksum are
right. Where the publisher states no checksum, the computed one is written into `NAME.sha256`, which later runs compare.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mobile_runtime.errors import DataError
from mobile_runtime.files import write_atomically
from train.sources import SourceFile

_CHUNK_BYTES = 1 << 18
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Status codes after which another try may do."""

Progress = Callable[[int, "int | None"], None]
"""(bytes that are there, bytes in all where known)."""


class DownloadError(DataError):
    """A file could not be fetched, or is not what its publisher says it is."""


class _CutError(Exception):
    """The connection ended early; what came is kept, and another try goes on from there."""


@dataclass(frozen=True)
class Patience:
    """How long to insist.

    Attributes:
        tries: consecutive ones that bring no new byte before giving up.
        first_wait_s: before the second try; doubles with each further one, up to a minute.
        timeout_s: silence after which a connection counts as cut.
    """

    tries: int = 6
    first_wait_s: float = 1.0
    timeout_s: float = 60.0

    def wait_s(self, failures: int) -> float:
        """Seconds before the next try, after so many that failed."""
        return float(min(self.first_wait_s * 2 ** (failures - 1), 60.0))


@dataclass(frozen=True)
class Fetched:
    """A file that is there.

    Attributes:
        checked: `sha256` or `md5`, which the publisher states; `record`, the checksum of an earlier run; `before`: it was there
            and is taken as it is; None where nothing vouches for the bytes but the connection.
    """

    path: Path
    size_bytes: int
    sha256: str
    checked: str | None


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise DownloadError(f"{req.full_url}: sends on to {newurl}, which is not https; fetch the file by hand")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(
    file: SourceFile,
    target: Path,
    progress: Progress = lambda *_: None,
    patience: Patience | None = None,
    *,
    record: bool = True,
) -> Fetched:
    """Fetch a file, or check the one that is there.

    A file with a wrong checksum is moved aside to `NAME.bad`, so that the next run starts afresh.

    Args:
        file: where it is, and what is known of it.
        target: where it goes.
        progress: called as bytes come.
        patience: how long to insist.
        record: write `NAME.sha256` where the registry states no checksum.

    Raises:
        DownloadError: the server refuses, the line stays dead, or size or checksum are not the publisher's.
    """
    if target.is_file():
        return _settle(file, target, target, None, record)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    patience = patience or Patience()
    failures, most = 0, _size(part)
    while True:
        try:
            stated = _go_on(file, part, progress, patience.timeout_s)
            break
        except _CutError as cut:
            # Bytes gained are hope; the most so far counts, since a server that knows no ranges starts over each time.
            failures = 1 if _size(part) > most else failures + 1
            most = max(most, _size(part))
            if failures >= patience.tries:
                later = f"run the command again later, it goes on from byte {_size(part)}"
                raise DownloadError(f"{file.url}: {cut}, {failures} times in a row; {later}") from cut
            time.sleep(patience.wait_s(failures))
        except OSError as error:
            raise DownloadError(f"{part}: cannot be written ({error.strerror}); make room and run the command again") from error
    return _settle(file, part, target, stated, record)


def _go_on(file: SourceFile, part: Path, progress: Progress, timeout_s: float) -> str | None:
    """Fetch what is missing of a file.

    Returns:
        The MD5 that Google Cloud Storage states in a header, if it is there.
    """
    validator = part.with_name(f"{part.name}.validator")
    have = _size(part)
    request = urllib.request.Request(file.url, headers={"User-Agent": "skintriage", "Accept-Encoding": "identity"})  # noqa: S310
    if have:
        request.add_header("Range", f"bytes={have}-")
        if validator.is_file():
            # If the file has changed since, the server sends it whole.
            request.add_header("If-Range", validator.read_text(encoding="utf-8"))
    try:
        response = urllib.request.build_opener(_NoDowngrade).open(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        _judge(error, file, part, have)
        return _stated_md5(error.headers)
    except (http.client.HTTPException, OSError) as error:
        raise _CutError(f"no connection ({getattr(error, 'reason', error)})") from error
    with response:
        headers = response.headers
        begins, total = _extent(response.status, headers)
        if begins not in (0, have):
            part.unlink()
            raise _CutError(f"the server sent bytes from {begins} instead of from {have}")
        total = file.size_bytes if total is None else total
        if file.size_bytes is not None and total != file.size_bytes:
            raise DownloadError(
                f"{file.url}: has {total} bytes where {file.size_bytes} are stated; see its page for a new version"
            )
        tag = headers.get("ETag") or headers.get("Last-Modified") or ""
        if tag and not tag.startswith("W/"):
            validator.write_text(tag, encoding="utf-8")
        else:
            validator.unlink(missing_ok=True)
        with part.open("ab" if begins else "wb") as stream:
            _copy(response, stream, begins, total, progress)
    if total is not None and _size(part) != total:
        raise _CutError(f"the connection ended at byte {_size(part)} of {total}")
    return _stated_md5(headers)


def _judge(error: urllib.error.HTTPError, file: SourceFile, part: Path, have: int) -> None:
    """Return where a refusal means that everything is there, raise otherwise."""
    with error:
        if error.code == 416 and have:
            if _extent(416, error.headers)[1] == have:
                return
            part.unlink()
            raise _CutError("the file on the server is shorter than what is here; starting over") from error
        if error.code in _AGAIN:
            raise _CutError(f"the server answered {error.code} {error.reason}") from error
        raise DownloadError(
            f"{file.url}: the server answered {error.code} {error.reason}; see the data set's page, or give a registry of your "
            "own with --registry"
        ) from error


def _copy(response: http.client.HTTPResponse, stream: IO[bytes], have: int, total: int | None, progress: Progress) -> None:
    progress(have, total)
    while True:
        try:
            block = response.read(_CHUNK_BYTES)
        except (http.client.HTTPException, OSError) as error:
            raise _CutError(f"the connection broke at byte {have}") from error
        if not block:
            return
        have += stream.write(block)
        progress(have, total)


def _extent(status: int, headers: Any) -> tuple[int, int | None]:
    """The byte that an answer begins with, and the size of the whole file where it says so."""
    if status in (206, 416):
        found = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", headers.get("Content-Range") or "")
        if found is None:
            return -1, None
        return int(found[1] or 0), None if found[2] == "*" else int(found[2])
    length = headers.get("Content-Length")
    return 0, int(length) if length and length.isdigit() else None


def _stated_md5(headers: Any) -> str | None:
    found = re.search(r"md5=([A-Za-z0-9+/]{22}==)", ",".join(headers.get_all("x-goog-hash") or []))
    return base64.b64decode(found[1]).hex() if found else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _settle(file: SourceFile, path: Path, target: Path, stated_md5: str | None, keep_record: bool) -> Fetched:
    """Check a file that came whole, and give it its name."""
    record = target.with_name(f"{target.name}.sha256")
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            sha256.update(block)
            md5.update(block)
    expected = {"sha256": file.sha256, "md5": file.md5 or stated_md5}
    if not any(expected.values()) and path == target and record.is_file():
        expected = {"record": record.read_text(encoding="utf-8").split(" ")[0]}
    found = {"sha256": sha256.hexdigest(), "md5": md5.hexdigest(), "record": sha256.hexdigest()}
    path.with_name(f"{path.name}.validator").unlink(missing_ok=True)
    for kind, value in expected.items():
        if value and value != found[kind]:
            aside = target.with_name(f"{target.name}.bad")
            path.replace(aside)
            record.unlink(missing_ok=True)
            said = "an earlier run recorded" if kind == "record" else "the publisher states"
            kind = "sha256" if kind == "record" else kind
            raise DownloadError(
                f"{target}: its {kind} is {found[kind]}, {said} {value}; it is kept as {aside.name}; run the command again"
            )
    checked = next((kind for kind, value in expected.items() if value), None)
    if keep_record and file.sha256 is None and file.md5 is None and checked != "record":
        with write_atomically(record) as temporary:
            temporary.write_text(f"{found['sha256']}  {target.name}\n", encoding="utf-8")
    path.replace(target)
    return Fetched(target, target.stat().st_size, found["sha256"], checked)
