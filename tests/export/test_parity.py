"""Parity limits of one's own: read from a file, checked, and named wherever a bundle is judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from export.errors import ExportError
from export.model_card import write_card
from export.parity import PARITY_LIMITS, own_limits, read_limits
from mobile_runtime import Bundle
from mobile_runtime.errors import DataError, SkintriageError


def test_a_file_changes_the_limits_that_it_names_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "limits.yaml"
    path.write_text("float16: {outlier: 0.2, mean: 0.01}\n")
    assert read_limits(path) == PARITY_LIMITS | {"float16": PARITY_LIMITS["float16"]._replace(outlier=0.2, mean=0.01)}


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("float17: {outlier: 0.2}", ExportError, "no variant float17; there are float32"),
        ("float16: {outliers: 0.2}", DataError, "float16.outliers: Extra inputs"),
        ("float16: {outlier: .inf}", DataError, "float16.outlier"),
        ("float16: {largest: 2}", DataError, "less than or equal to 1"),
        ("float16: 0.2", DataError, "float16"),
        ("[1, 2]", DataError, "not a YAML mapping"),
    ],
)
def test_a_mistake_in_the_file_is_named(text: str, error: type[SkintriageError], message: str, tmp_path: Path) -> None:
    path = tmp_path / "limits.yaml"
    path.write_text(text)
    with pytest.raises(error, match=message):
        read_limits(path)


def test_the_card_names_limits_of_a_bundles_own_and_is_silent_on_the_usual_ones() -> None:
    manifest = Bundle.load().manifest
    (name, variant), *_ = manifest.variants.items()
    usual = variant.model_copy(
        update={"parity": variant.parity | {f"{k}_limit": v for k, v in PARITY_LIMITS[name]._asdict().items()}}
    )
    assert own_limits(usual) == []
    loose = usual.model_copy(update={"parity": usual.parity | {"outlier_limit": 0.7}})
    assert own_limits(loose) == ["outlier 0.7 instead of 0.35"]
    cards = [write_card(manifest.model_copy(update={"variants": {name: one}})) for one in (usual, loose)]
    assert "limits of this bundle's own" not in cards[0]
    assert f"{name} (outlier 0.7 instead of 0.35)." in cards[1]
