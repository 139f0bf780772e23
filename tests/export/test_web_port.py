"""The web port: its constants are the runtime's, and it normalizes captures to the same bits."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.kit_constants import WEB_COPY, constants
from export.kits import write_kit
from mobile_runtime import Bundle, capture, quality
from mobile_runtime.bundle import DEFAULT_BUNDLE
from mobile_runtime.files import write_json
from mobile_runtime.quality import measure

WEB = Path(__file__).parents[2] / "mobile_runtime" / "web"
FIGURES = tuple(field.name for field in fields(quality.Quality) if field.name not in ("region_px", "reasons"))


def test_the_copy_of_the_constants_is_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    copy = json.loads(WEB_COPY.read_text(encoding="utf-8"))
    assert copy == constants(), "run `python -m export.kit_constants`, then `npm run build` in mobile_runtime/web"
    monkeypatch.setattr(quality, "_GLARE_STEP", 76544)
    assert copy != constants()


def write_captures(folder: Path, count: int) -> None:
    """Random pictures, boxes and sizes, up- and downscaled, with what Python makes of them."""
    rng = np.random.default_rng(5)
    cases: list[dict[str, Any]] = []
    for index in range(count):
        height, width = (int(side) for side in rng.integers(16, 700, 2))
        size = int(rng.choice([32, 96, 128, 144, 160, 224]))
        picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        if index % 3 == 0:  # smooth and near white, so that every quality figure has something to count
            ramp = np.linspace(120, 255, width * 3).reshape(1, width, 3)
            picture = np.broadcast_to(ramp, (height, width, 3)).astype(np.uint8)
        box = None
        if index % 2:
            side = int(rng.integers(16, min(height, width) + 1))
            left, top = int(rng.integers(0, width - side + 1)), int(rng.integers(0, height - side + 1))
            box = (left, top, left + side, top + side)
        captured = capture.normalize(picture, size, box)
        np.save(folder / f"{index}.upright.npy", picture)
        np.save(folder / f"{index}.prepared.npy", captured.image)
        figures = asdict(measure(captured.image))
        cases.append(
            {
                "upright": f"{index}.upright.npy",
                "prepared": f"{index}.prepared.npy",
                "box": None if box is None else dict(zip(("left", "top", "right", "bottom"), box, strict=True)),
                "region_px": captured.region_px,
                "quality": {name: figures[name] for name in FIGURES},
            }
        )
    write_json(folder / "cases.json", cases)


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(not DEFAULT_BUNDLE.is_dir(), reason="no bundle ships with the runtime")
def test_the_port_gives_the_same_bits(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if "browser" not in str(request.config.getoption("markexpr")):
        pytest.skip("needs Node: python -m pytest -m browser")
    if shutil.which("npm") is None or not (WEB / "node_modules").is_dir():
        pytest.skip("needs Node 20 and `npm ci` in mobile_runtime/web")
    write_kit(Bundle.load(), "web", tmp_path / "kit")
    write_captures(tmp_path, 60)
    words = ["npm", "run", "--silent", "conformance:node", "--", str(tmp_path / "kit" / "bundle"), str(tmp_path)]
    found = subprocess.run(words, cwd=WEB, capture_output=True, text=True, timeout=600)
    assert found.returncode == 0, found.stderr
    print(found.stdout)
    port = json.loads((tmp_path / "kit" / "bundle" / "port.json").read_text(encoding="utf-8"))
    accepted = sum(case["prepared"] is not None for case in port["captures"])
    # Of each capture that is accepted: its quality, and that no verdict comes of it at another size than the model's.
    count = len(port["frames"]) + len(port["captures"]) + 2 * accepted + len(port["bursts"]) + len(port["outputs"])
    count += len(port["manifests"]) + len(port["files"]) + len(port["edges"]) + len(port["turned"])
    assert f"port: {count} cases, 0 mismatches" in found.stdout
    for stage, count in (("prepared", 60), ("quality", 60)):
        assert f"{stage}: {count} cases, 0 mismatches" in found.stdout
