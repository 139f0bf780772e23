"""The README's figures are those of the stored results, and of no other bundle than the shipped one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from benchmarks.readme import (
    ALSO,
    BEGIN,
    DEVICES,
    DEVICES_BEGIN,
    DEVICES_END,
    END,
    README,
    RESULTS,
    STORED,
    devices,
    measured,
    update,
)
from benchmarks.stored import read_result
from mobile_runtime import Bundle
from mobile_runtime.errors import DataError
from tests.benchmarks import stored_results


def test_the_readme_says_what_was_measured() -> None:
    assert f"{BEGIN}\n{measured()}\n{END}" in README.read_text(encoding="utf-8")


def test_the_readme_says_what_devices_found() -> None:
    text = README.read_text(encoding="utf-8")
    assert f"{DEVICES_BEGIN}\n{devices()}\n{DEVICES_END}" in text


def test_each_row_about_a_device_has_its_kind_of_evidence(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"{BEGIN}\n{END}\n{DEVICES_BEGIN}\n{DEVICES_END}\n", encoding="utf-8")
    assert update(readme) and not update(readme)
    rows = readme.read_text(encoding="utf-8").split(DEVICES_BEGIN)[1].split(DEVICES_END)[0].strip().splitlines()[2:]
    kinds = {row.split("|")[1].strip() for row in rows}
    assert "desktop (local)" in kinds and kinds <= {"desktop (local)", "emulator (qemu-arm64)", "desktop browser (chromium)"}
    readme.write_text(f"{BEGIN}\n{END}\n{DEVICES_BEGIN}\n", encoding="utf-8")
    with pytest.raises(DataError, match="devices: end"):
        update(readme)


def test_tables_are_rewritten_between_the_marks_only(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"above\n{BEGIN}\nold figures\n{END}\nbelow\n", encoding="utf-8")
    assert update(readme)
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("above\n")
    assert text.endswith("below\n")
    assert "old figures" not in text
    assert not update(readme)


def test_other_data_sets_and_runtimes_are_shown_once_they_are_stored(tmp_path: Path) -> None:
    for name in STORED:
        shutil.copy(RESULTS / f"{name}.json", tmp_path)
    without = measured(tmp_path)
    assert "| gates on HAM10000 |  |" in without and "the same network" not in without
    gates = json.loads((RESULTS / "gates_ham10000.json").read_text(encoding="utf-8"))
    gates["dataset"]["name"] = "pad_ufes_20"
    (tmp_path / "gates_pad_ufes_20.json").write_text(json.dumps(gates), encoding="utf-8")
    (tmp_path / "peers.json").write_text(json.dumps(stored_results.peers()), encoding="utf-8")
    text = measured(tmp_path)
    assert "| gates | HAM10000 | PAD-UFES-20 |" in text
    assert "| LiteRT 2.3.0, int8 | 2.00 (1.90 to 2.10) | 2.50 (2.40 to 2.70) | 0.50 (0.50 to 0.50) | 4.0e-02 |" in text


def test_a_readme_without_marks_is_left_alone(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("text\n", encoding="utf-8")
    with pytest.raises(DataError, match="once each"):
        update(readme)


STORED_HERE = [name for name in (*ALSO, *DEVICES) if (RESULTS / f"{name}.json").is_file()]


@pytest.mark.parametrize("name", [*STORED, *STORED_HERE])
def test_stored_results_are_of_the_shipped_release(name: str) -> None:
    # The bundle of all variants and the shipped one differ in their digest, not in name and version.
    result = read_result(RESULTS / f"{name}.json")
    assert result.bundle.split("+")[0] == Bundle.load().id.split("+")[0]
