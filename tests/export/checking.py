"""The release gate as tests call it, and bundles altered for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import Result
from typer.testing import CliRunner

from export.commands import app
from mobile_runtime.bundle import MANIFEST
from mobile_runtime.files import sha256


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["check", str(folder), *words])


def report(folder: Path, *words: str) -> tuple[int, dict[str, Any], dict[str, list[str]]]:
    """Exit status, document, and variant -> its failures."""
    found = run(folder, *words, "--json")
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    document = json.loads(found.stdout)
    return found.exit_code, document, {row["variant"]: row["failures"] for row in document["variants"]}


def only(*names: str) -> list[str]:
    return [word for name in names for word in ("--variant", name)]


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest and make its list of files true again."""
    document = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    change(document)
    for entry in document["files"]:
        file = folder / entry["path"]
        entry |= {"sha256": sha256(file), "size_bytes": file.stat().st_size}
        for variant in document["variants"].values():
            if variant["path"] == entry["path"]:
                variant["size_bytes"] = entry["size_bytes"]
    (folder / MANIFEST).write_text(json.dumps(document), encoding="utf-8")
