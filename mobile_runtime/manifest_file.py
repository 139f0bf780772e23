"""The file of a manifest: JSON that every language reads alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mobile_runtime.errors import BundleError
from mobile_runtime.manifest import SCHEMA_VERSION, Manifest


def parse_manifest(file: Path, data: bytes) -> Manifest:
    """A manifest from the bytes of its file.

    Raises:
        BundleError: they are not strict JSON in UTF-8, of another schema version, or break a rule of `Manifest`.
    """
    try:
        document = strict_json(data)
        version = document["schema_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleError(f"{file}: not a manifest ({type(error).__name__}: {error})") from error
    if version != SCHEMA_VERSION:
        raise BundleError(
            f"{file}: schema version {version}, this runtime reads {SCHEMA_VERSION}; "
            + ("upgrade skintriage" if isinstance(version, int) and version > SCHEMA_VERSION else "rebuild the bundle")
        )
    try:
        return Manifest.model_validate(document, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "manifest"
        raise BundleError(f"{file}: {where}: {first['msg']}; get the bundle again") from error


def strict_json(data: bytes) -> Any:
    """What a text of JSON in UTF-8 says, to readers in every language.

    Raises:
        ValueError: it is none, has a key twice, or a number that is none.
        RecursionError: it is nested too deep.
    """
    return json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refused)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Of two values for one key some languages' parsers take the first, some the last.
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key is there twice")
    return fields


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
