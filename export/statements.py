"""What a bundle says of the data behind its weights: limitations and licence, as far as its provenance shows them.

Of data sets that nobody here knows nothing is claimed: neither a licence nor whom they show.
"""

from __future__ import annotations

from collections.abc import Iterable

from mobile_runtime.manifest import Provenance
from train.sources import read_sources

DERMOSCOPIC = {
    "ham10000": "HAM10000",
    "isic2017": "ISIC 2017",
    "isic2018": "ISIC 2018",
    "isic2019": "ISIC 2019",
    "isic2020": "ISIC 2020",
}
SMARTPHONE = {"pad_ufes_20": "PAD-UFES-20"}
NAMES = DERMOSCOPIC | SMARTPHONE
PICKED = NAMES.keys() - {"isic2020"}
"""Known to hold few images of dark skin, and more rare lesions than practice; of ISIC 2020's the latter is not."""
FEW = 0.1
"""Below this share of the training images those of one kind are called few."""
SMALL_SPLIT = "72b16ef4b83bec32d3a615527accff8aeaad28c2b7d1c5a5ccbe6ad16617316e"
"""The split of the released weights. Records do not say how large images were; these are known to have been small copies."""

NON_COMMERCIAL = "CC BY-NC 4.0"
LICENCES = {"CC BY 4.0": "CC-BY-4.0", NON_COMMERCIAL: "CC-BY-NC-4.0"}
"""Licence of a data set as the registry names it -> SPDX identifier; the later the stricter."""
UNLISTED = {"isic2017"}
"""Not in the registry. The ISIC archive asks for no more than NON_COMMERCIAL does: beside such data these change nothing."""
NOT_STATED = "not stated; set it with --licence"
CITATIONS = {"ham10000": "HAM10000 (Tschandl, Rosendahl and Kittler 2018,\ndoi:10.1038/sdata.2018.161)"}
NUMBERS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def small_images(provenance: Provenance) -> bool:
    """Whether all training and test images are known to be small copies."""
    return provenance.split_sha256 == SMALL_SPLIT


def few_dark(provenance: Provenance) -> bool:
    """Whether few training images are known to show dark skin."""
    return bool(provenance.datasets) and provenance.datasets.keys() <= PICKED


def limitations(provenance: Provenance, classes: int) -> list[str]:
    """Sentences for the manifest and the model card.

    Args:
        provenance: where the weights come from.
        classes: how many kinds of lesions the model knows.
    """
    number = NUMBERS[classes - 2] if classes - 2 < len(NUMBERS) else str(classes)
    known = few_dark(provenance)
    mix = "a training mix with more rare lesions than practice" if known else "the mix of the training images"
    dark = "Few images of dark skin: accuracy there is unknown and probably lower."
    guessed = ", ".join(node.replace("_", " ") for node in provenance.guessed_classes)
    return [
        _trained_on(provenance),
        dark if known else "How many images of dark skin there are is not recorded: accuracy there is unknown.",
        f"Knows {number} kinds of lesions; anything else gets the nearest of them.",
        *([f"No training image was labelled as {guessed}: their probabilities are guesses."] if guessed else []),
        f"Probabilities follow {mix}, not the prevalence in any clinic.",
    ]


def _trained_on(provenance: Provenance) -> str:
    counts = provenance.datasets
    kinds = []
    for kind, names in (
        ("dermoscopic images", DERMOSCOPIC),
        ("smartphone photographs", SMARTPHONE),
        ("images", {name: name for name in counts if name not in NAMES}),
    ):
        if found := [name for name in counts if name in names]:
            few = sum(counts[name] for name in found) < FEW * sum(counts.values())
            kinds.append(f"{'few ' if few else ''}{kind} ({', '.join(names[name] for name in found)})")
    if not kinds:
        return "What it was trained on is not recorded."
    return f"Trained on {'small versions of ' if small_images(provenance) else ''}{' and '.join(kinds)}."


def licence(datasets: Iterable[str]) -> str:
    """SPDX identifier of the strictest licence of data sets; NOT_STATED where the terms of one are unknown or its own."""
    stated = _strictest(datasets)
    return NOT_STATED if stated is None else LICENCES[stated]


def licence_reason(stated: str, datasets: Iterable[str]) -> str:
    """Which data ask for the weights' licence, such as "HAM10000, CC BY-NC 4.0"; empty for one that is its maker's choice."""
    names = list(datasets)
    if stated != licence(names) or stated == NOT_STATED:
        return ""
    return f"{', '.join(NAMES.get(name, name) for name in _asking(names))}, {_strictest(names)}"


def licence_text(stated: str, datasets: Iterable[str]) -> str:
    """The text of LICENCE-WEIGHTS.txt."""
    names = list(datasets)
    asking = _asking(names)
    if not licence_reason(stated, names):
        trained = ", ".join(NAMES.get(name, name) for name in names) or "data that are not recorded"
        terms = f"{trained}.\nLicence: {stated}\n"
    else:
        cited = " and ".join(CITATIONS.get(name, NAMES.get(name, name)) for name in asking)
        among = " among other data" if len(asking) < len(names) else ""
        terms = f"{cited}{among} and are licensed {_strictest(names)}:\n{read_sources()[asking[0]].licence_url}\n"
    return f"The model files in this folder were trained on {terms}They are not a medical device.\n"


def _strictest(datasets: Iterable[str]) -> str | None:
    names, sources = set(datasets), read_sources()
    stated = {sources[name].licence for name in names if name in sources}
    if not stated or stated - LICENCES.keys() or names - sources.keys() - UNLISTED:
        return None
    found = max(stated, key=list(LICENCES).index)
    return None if names & UNLISTED and found != NON_COMMERCIAL else found


def _asking(datasets: Iterable[str]) -> list[str]:
    names, sources = list(datasets), read_sources()
    return [name for name in names if name in sources and sources[name].licence == _strictest(names)]
