"""Files that are there, but not in a form that is read: told by that form, so that nobody looks for what is not missing."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

from mobile_runtime.errors import DataError

UNREAD_PICTURES = (".tif", ".tiff", ".gif", ".avif", ".jp2", ".jxl", ".dcm")
"""Endings of pictures that the runtime does not read: such a file is there, and no more than its format is the matter."""

_OLD_WORKBOOK = b"\xd0\xcf\x11\xe0"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def conversion(endings: Sequence[str]) -> str:
    """What to do with pictures that are there with these endings, one each."""
    return f"{len(endings)} are there as {', '.join(sorted(set(endings)))}, which is not read: convert them to JPEG or PNG"


def refuse_foreign_table(table: Path) -> None:
    """Stop where a table of labels is a workbook, or text of another encoding than UTF-8.

    Raises:
        DataError: it is; what to save it as is said.
        OSError: the file cannot be read.
    """
    content = table.read_bytes()
    members: list[str] = []
    with contextlib.suppress(zipfile.BadZipFile):
        members = zipfile.ZipFile(table).namelist()
    if any(name.endswith(".npy") for name in members):
        raise DataError(f"{table}: NumPy arrays and no CSV; `python -m train data extract` makes files of DermaMNIST's")
    if members and not any(name.startswith("xl/") for name in members):
        raise DataError(f"{table}: a ZIP archive and no CSV; unpack it and give the table in it")
    form = "an Excel workbook" if content.startswith(b"PK\x03\x04") else None
    form = "an old Excel workbook" if content.startswith(_OLD_WORKBOOK) else form
    if content.startswith(_UTF_16) or (form is None and b"\x00" in content[:2]):
        form = "text in UTF-16"
    if form is None:
        try:
            content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            form = f"text in another encoding, such as Windows-1252 (byte {content[error.start]:#04x} on line {line})"
    if form is not None:
        raise DataError(f"{table}: not a readable CSV but {form}; save it as CSV UTF-8 (comma delimited)")
