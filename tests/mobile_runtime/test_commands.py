"""The runtime's verbs, on a real small bundle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mobile_runtime.commands import app
from mobile_runtime.errors import BundleError

pytestmark = pytest.mark.slow


def test_help_has_an_example() -> None:
    for verb in ("assess", "assess-archive", "demo", "info", "verify", "serve"):
        found = CliRunner().invoke(app, [verb, "--help"])
        assert "Example:" in found.output, verb


def test_info_and_demo(tiny_bundle: Path, tmp_path: Path) -> None:
    info = CliRunner().invoke(app, ["info", "--bundle", str(tiny_bundle), "--json"])
    document = json.loads(info.stdout)
    assert document["default_variant"] == "static_wi8_ai8"
    shown = CliRunner().invoke(app, ["info", "--bundle", str(tiny_bundle)], env={"COLUMNS": "80"}).output
    for name, variant in document["variants"].items():
        assert f"{name}  {variant['runtime']}, {variant['precision']}" in shown
        for point in variant["operating_points"].values():
            share = point["sensitivity"]
            assert f"{share['value']:.3f} ({share['low']:.3f}-{share['high']:.3f})" in shown  # nothing is cut off
    demo = CliRunner().invoke(app, ["demo", "--bundle", str(tiny_bundle), "--out", str(tmp_path / "demo")])
    assert demo.exit_code == 0, demo.output
    assert "not patients" in demo.output
    assert len(list((tmp_path / "demo").glob("*.png"))) == 3


@pytest.mark.parametrize(
    "words", [["verify", ""], ["verify", "half", "--bundle", "full"], ["assess", "x.jpg", "--variant", ""]]
)
def test_an_empty_or_second_name_does_not_mean_the_default(words: list[str]) -> None:
    with pytest.raises(BundleError):
        CliRunner().invoke(app, words, catch_exceptions=False)


def test_a_negative_seed_is_refused() -> None:
    assert CliRunner().invoke(app, ["demo", "--seed", "-1"]).exit_code == 2
