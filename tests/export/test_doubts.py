"""Warnings of a bundle that should not be used: of none that is well made."""

from __future__ import annotations

import pytest

from export.doubts import doubts
from mobile_runtime import Bundle
from mobile_runtime.manifest import Estimate, Manifest


def altered(**changes: object) -> Manifest:
    """The shipped manifest, with another temperature, specificity, sensitivity or `guessed_classes`."""
    manifest = Bundle.load().manifest
    name = manifest.default_operating_point
    variant = manifest.variants[manifest.default_variant]
    points = {key: value for key, value in changes.items() if key in ("specificity", "sensitivity")}
    point = variant.operating_points[name].model_copy(update=points)
    own = {"operating_points": {name: point}, "temperature": changes.get("temperature", variant.temperature)}
    provenance = manifest.provenance.model_copy(update={"guessed_classes": changes.get("guessed_classes", [])})
    variants = {manifest.default_variant: variant.model_copy(update=own)}
    return manifest.model_copy(update={"variants": variants, "provenance": provenance})


def test_the_shipped_bundles_raise_no_doubt() -> None:
    assert doubts(altered()) == []
    assert all(doubts(Bundle.load(name).manifest) == [] for name in ("full", "half"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"temperature": 20.0}, "a temperature of 20.0"),
        ({"specificity": Estimate(value=0.0, low=0.0, high=0.39, n=6)}, "rule_out refers nearly everybody: specificity 0.00"),
        (
            {"sensitivity": Estimate(value=1.0, low=0.61, high=1.0, n=6)},
            "6 malignant images: sensitivity may be as low",
        ),
        ({"guessed_classes": ["melanoma"]}, "no training image was labelled as melanoma"),
    ],
)
def test_what_speaks_against_a_bundle_is_said(changes: dict[str, object], said: str) -> None:
    (found,) = doubts(altered(**changes))
    assert said in found
