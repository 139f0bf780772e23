"""What speaks against using a bundle at all, said where it is made: nobody reads a card first."""

from __future__ import annotations

from mobile_runtime.manifest import Manifest

_NO_SAY = 5.0
"""A temperature above this leaves scores next to equal; well-trained networks have 0.5 to 2."""
_NEARLY_NOBODY = 0.1
"""A specificity below this refers nearly everybody."""
_ENOUGH = 30
"""Malignant images below which a measured sensitivity says little."""


def doubts(manifest: Manifest) -> list[str]:
    """Sentences for whoever made a bundle; none where nothing is amiss."""
    default = manifest.variants[manifest.default_variant]
    name = manifest.default_operating_point
    point = default.operating_points[name]
    found = []
    if default.temperature > _NO_SAY:
        found.append(f"its scores say hardly anything: a temperature of {default.temperature:.1f} fits them best; train longer")
    if point.specificity.value < _NEARLY_NOBODY:
        found.append(
            f"{name} refers nearly everybody: specificity {point.specificity.value:.2f}; train longer, or on more images"
        )
    if point.sensitivity.n < _ENOUGH:
        low = point.sensitivity.low
        found.append(f"{name} was measured on {point.sensitivity.n} malignant images: sensitivity may be as low as {low:.2f}")
    if guessed := manifest.provenance.guessed_classes:
        found.append(f"no training image was labelled as {', '.join(guessed)}: these classes are guesses")
    return found
