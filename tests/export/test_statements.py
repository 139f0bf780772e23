"""What a bundle says of its data: word for word as released, and nothing that is not known of other data."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from export import statements
from export.commands import app
from export.errors import ExportError
from export.model_card import write_card
from export.record import load_record
from mobile_runtime import Bundle
from mobile_runtime.bundle import SHIPPED_BUNDLES
from mobile_runtime.manifest import Manifest, Provenance
from tests.conftest import REPOSITORY


def provenance(**datasets: int) -> Provenance:
    digest = "0" * 64
    recipe = {"backbone": "net"}
    return Provenance(datasets=datasets, split_sha256=digest, recipe=recipe, calibration_ids=[], checkpoint_sha256=digest)


def section(card: str, title: str) -> str:
    return card.split(f"### {title}\n")[1].split("\n#")[0]


@pytest.mark.parametrize(("name", "record"), [("full", "record.json"), ("half", "half/record.json")])
def test_the_released_records_say_what_the_shipped_bundles_say(name: str, record: str) -> None:
    """Another byte would be another bundle id."""
    assert name in SHIPPED_BUNDLES
    bundle = Bundle.read(name)
    manifest = bundle.manifest
    stored = load_record(REPOSITORY / "export" / "release" / record)
    assert statements.limitations(stored.provenance, len(manifest.classes)) == manifest.limitations
    assert stored.licence is None and statements.licence(stored.provenance.datasets) == manifest.licence
    text = statements.licence_text(manifest.licence, stored.provenance.datasets)
    assert text.encode() == (bundle.path / "LICENCE-WEIGHTS.txt").read_bytes()
    shipped, card = (bundle.path / "model_card.md").read_text(encoding="utf-8"), write_card(manifest)
    for title in ("Overview", "License", "References", "Limitations"):
        assert section(card, title) == section(shipped, title)
    assert "above all those with dark skin, are served worse" in card


def of(data: Provenance, licence: str | None = None, classes: int = 7) -> tuple[Manifest, str]:
    """The shipped manifest, as if it were of other data, and its card."""
    released = Bundle.read().manifest
    manifest = released.model_copy(
        update={
            "provenance": data,
            "limitations": statements.limitations(data, classes),
            "licence": licence or statements.licence(data.datasets),
        }
    )
    return manifest, write_card(manifest)


def test_data_of_ones_own_are_named_and_nothing_is_claimed_of_them() -> None:
    manifest, card = of(provenance(clinic=900, other=30), classes=3)
    assert manifest.limitations == [
        "Trained on images (clinic, other).",
        "How many images of dark skin there are is not recorded: accuracy there is unknown.",
        "Knows three kinds of lesions; anything else gets the nearest of them.",
        "Probabilities follow the mix of the training images, not the prevalence in any clinic.",
    ]
    assert manifest.licence == "not stated; set it with --licence"
    text = statements.licence_text(manifest.licence, manifest.provenance.datasets)
    assert text.startswith("The model files in this folder were trained on clinic, other.\nLicence: not stated; ")
    for claimed in (
        "HAM10000",
        "PAD-UFES-20",
        "smartphone",
        "small versions",
        "resized",
        "CC BY",
        "CC-BY",
        "creativecommons",
        "dark skin, are",
    ):
        # The figures of the test split keep the names of the data sets that they were measured on.
        assert claimed not in card.split("## Quantitative Analysis")[0] and claimed not in text


def test_kinds_of_images_are_told_apart() -> None:
    sentence = statements.limitations(provenance(isic2019=500, pad_ufes_20=400, clinic=20), 13)
    assert (
        sentence[0]
        == "Trained on dermoscopic images (ISIC 2019) and smartphone photographs (PAD-UFES-20) and few images (clinic)."
    )
    assert sentence[2] == "Knows 13 kinds of lesions; anything else gets the nearest of them."
    assert statements.limitations(provenance(), 7)[0] == "What it was trained on is not recorded."
    guessing = provenance().model_copy(update={"guessed_classes": ["melanoma", "basal_cell_carcinoma"]})
    said = "No training image was labelled as melanoma, basal cell carcinoma: their probabilities are guesses."
    assert said in statements.limitations(guessing, 7)


@pytest.mark.parametrize(
    ("datasets", "licence", "reason"),
    [
        (["ham10000"], "CC-BY-NC-4.0", "HAM10000, CC BY-NC 4.0"),
        (["pad_ufes_20"], "CC-BY-4.0", "PAD-UFES-20, CC BY 4.0"),
        (["pad_ufes_20", "isic2020"], "CC-BY-NC-4.0", "ISIC 2020, CC BY-NC 4.0"),
        (["isic2017"], statements.NOT_STATED, ""),  # the registry does not list its terms
        (["isic2017", "pad_ufes_20"], statements.NOT_STATED, ""),
        (["ham10000", "clinic"], statements.NOT_STATED, ""),
        (["ham10000", "scin"], statements.NOT_STATED, ""),  # terms of its own
        ([], statements.NOT_STATED, ""),
    ],
)
def test_the_licence_is_the_strictest_of_known_data_or_none(datasets: list[str], licence: str, reason: str) -> None:
    assert statements.licence(datasets) == licence
    assert statements.licence_reason(licence, datasets) == reason
    assert ("creativecommons.org" in statements.licence_text(licence, datasets)) is bool(reason)


def test_a_stated_licence_stands_for_itself() -> None:
    manifest, card = of(provenance(ham10000=100), licence="CC0-1.0")
    assert "Weights: CC0-1.0. Code: Apache-2.0." in card
    assert statements.licence_text("CC0-1.0", manifest.provenance.datasets) == (
        "The model files in this folder were trained on HAM10000.\nLicence: CC0-1.0\nThey are not a medical device.\n"
    )


def test_a_licence_that_says_nothing_is_refused_before_anything_is_read() -> None:
    found = CliRunner().invoke(app, ["bundle", "nowhere", "--data", "nowhere", "--licence", " "])
    assert isinstance(found.exception, ExportError) and "--licence says nothing" in str(found.exception)
