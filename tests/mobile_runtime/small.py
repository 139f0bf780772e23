"""A bundle of a few kilobytes whose models are no models: for what happens before an interpreter is opened."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mobile_runtime.bundle import MANIFEST
from mobile_runtime.files import sha256

FILES = {
    "model_card.md": (b"# A card\n", "card"),
    "models/a.tflite": (b"\x18\0\0\0TFL3" + bytes(range(40)), "model"),
    "models/b.mlpackage/Data/weights.bin": (bytes(range(64)), "model"),
    "models/b.mlpackage/Manifest.json": (b"{}\n", "model"),
}
ESTIMATE = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 10}
POINT = {"threshold": 0.25, "aim": "test", "sensitivity": ESTIMATE, "specificity": ESTIMATE, "dataset": "none"}


def write_small_bundle(folder: Path, sample: Path) -> Path:
    """Write it, with what does not matter here (classes, scores, limits) taken from the manifest of a real bundle."""
    document = json.loads((sample / MANIFEST).read_text(encoding="utf-8"))
    variant = next(iter(document["variants"].values())) | {
        "operating_points": {"rule_out": POINT},
        "metrics": {},
        "parity": {},
        "abstention": None,
    }
    entries = []
    for path, (data, role) in FILES.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        entries.append({"path": path, "sha256": sha256(file), "size_bytes": len(data), "role": role})
    document |= {
        "default_variant": "a",
        "default_operating_point": "rule_out",
        "variants": {
            "a": variant | {"name": "a", "runtime": "litert", "path": "models/a.tflite"},
            "b": variant | {"name": "b", "runtime": "coreml", "path": "models/b.mlpackage"},
        },
        "provenance": document["provenance"] | {"recipe": {}, "calibration_ids": [], "versions": {}},
        "files": entries,
    }
    (folder / MANIFEST).write_text(json.dumps(document, sort_keys=True), encoding="utf-8")
    return folder


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Rewrite the manifest after a change to its document."""
    file = folder / MANIFEST
    document = json.loads(file.read_text(encoding="utf-8"))
    change(document)
    file.write_text(json.dumps(document), encoding="utf-8")


def rehash(folder: Path, path: str) -> None:
    """Let the manifest say what a changed file is now, as an attacker without a key would."""

    def change(document: dict[str, Any]) -> None:
        entry = next(entry for entry in document["files"] if entry["path"] == path)
        entry |= {"sha256": sha256(folder / path), "size_bytes": (folder / path).stat().st_size}

    edit_manifest(folder, change)
