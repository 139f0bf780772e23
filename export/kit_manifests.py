"""Port vectors of manifests: changes to the kit's own, and whether it may still be read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mobile_runtime.bundle import MANIFEST, Bundle
from mobile_runtime.errors import BundleError
from mobile_runtime.manifest_file import parse_manifest

# Name -> pattern of what is changed, and what comes in its place.
_CHANGES = {
    "large counts": (r'"n": \d+', '"n": 2147483648'),
    "a large smallest region": (r'"region_px_min": \d+', '"region_px_min": 2147483648'),
    "a threshold of 1": (r'"threshold": [^,\n]+', '"threshold": 1.0'),
    "a threshold over 1": (r'"threshold": [^,\n]+', '"threshold": 7.0'),
    "a threshold below 0": (r'"threshold": [^,\n]+', '"threshold": -0.1'),
    "an infinite threshold": (r'"threshold": [^,\n]+', '"threshold": 1e400'),
    "an infinite limit": (r'"limit": [^,\n]+', '"limit": 1e400'),
    "an infinite limit of quality": (r'"sharpness_min": [^,\n]+', '"sharpness_min": -1e400'),
    "a broken escape": (r'"intended_use": "', r'"intended_use": "\\uZZZZ'),
    "an input that is too small": (r'"size": \d+', '"size": 31'),
    "an input that is too large": (r'"size": \d+', '"size": 1025'),
    "an input of a broken number": (r'"size": \d+', '"size": 144.5'),
    "another layout": ('"NHWC"', '"NCHW"'),
    "another order of colours": ('"RGB"', '"BGR"'),
    "another kind of number": ('"uint8"', '"float32"'),
    "another filter": ('"pillow-bilinear-antialias"', '"nearest"'),
    "an unknown default variant": (r'"default_variant": "', r'"default_variant": "no_'),
    "an unknown default operating point": (r'"default_operating_point": "', r'"default_operating_point": "no_'),
    "no malignancy": (r'"name": "malignancy"', '"name": "malignancies"'),
    "a weight of 2": (r'("weights": \[\s*)\d', r"\g<1>2"),
    "a weight fewer": (r'("weights": \[\s*)\d,', r"\g<1>"),
    "an abstention that is a number": (r'"abstention": \{', '"abstention": 0, "more": {'),
    "an abstention that is a word": (r'"abstention": \{', '"abstention": "", "more": {'),
    "an abstention that is misspelt": ('"abstention"', '"abstentiom"'),
    "a threshold twice, the second another": (r'("threshold": [^,\n]+)', r'\g<1>, "threshold": 0.99'),
    "a threshold twice, the first another": (r'("threshold": [^,\n]+)', r'"threshold": 0.99, \g<1>'),
    "a threshold twice, once by escapes": (r'("threshold": [^,\n]+)', r'\g<1>, "thresh\\u006fld": 0.99'),
    "a key that is no text": (r'"sharpness_min"', '"sharpness\u0001min"'),
    "no output of probabilities": (r'"probabilities": "', '"probability": "'),
    "no output of scores": (r'"scores": "', '"score": "'),
    "no output of the outlier": (r'"outlier": "', '"outliers": "'),
}


def manifest_vectors(bundle: Bundle) -> list[dict[str, Any]]:
    """Each replaces the first `find` in the manifest's text by `replace`, empty strings change nothing."""
    text = (bundle.path / MANIFEST).read_text(encoding="utf-8")
    classes, scores = bundle.manifest.classes, bundle.manifest.scores
    changes = _CHANGES | {
        "a class label twice": (f'"label": "{re.escape(classes[1].label)}"', f'"label": "{classes[0].label}"'),
        "a class twice": (f'"node": "{re.escape(classes[1].node)}"', f'"node": "{classes[0].node}"'),
        "a score twice": (f'"name": "{re.escape(scores[-1].name)}"', f'"name": "{scores[0].name}"'),
    }
    cases = [{"name": "unchanged", "find": "", "replace": ""}]
    for name, (pattern, replacement) in changes.items():
        found = re.search(pattern, text)
        if found:  # a bundle need not have a limit
            cases.append({"name": name, "find": found.group(), "replace": found.expand(replacement)})
    return [case | {"accepted": _accepts(text.replace(case["find"], case["replace"], 1))} for case in cases]


def _accepts(text: str) -> bool:
    try:
        parse_manifest(Path(MANIFEST), text.encode())
    except BundleError:
        return False
    return True
