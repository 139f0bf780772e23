"""Figures and limits on made-up outputs, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from mobile_runtime import Bundle
from mobile_runtime.manifest import Manifest, Variant

pytest.importorskip("litert_torch")
from export.comparison import Figures, Outputs, Truth, broken, compare, judge, limits_of
from export.parity import PARITY_LIMITS, Limits
from mobile_runtime.statistics import Gap

LIMITS = Limits(0.1, 0.01, 0.95, 0.005)
FIGURES = Figures(images=10, largest=0.1, mean=0.01, top1=1, decisions=0.95, kl=0, auc_difference=Gap(value=0, low=0, high=0))


@pytest.fixture
def manifest() -> Manifest:
    return Bundle.load().manifest


@pytest.fixture
def variant(manifest: Manifest) -> Variant:
    return manifest.variants[manifest.default_variant]


def outputs(manifest: Manifest, malignancy: list[float], moved: float = 0.0) -> Outputs:
    """All malignant probability in one class and the rest in a benign one, of which `moved` is in a third."""
    weights = np.array(next(score.weights for score in manifest.scores if score.name == "malignancy"))
    sick, well = int(np.flatnonzero(weights == 1)[0]), np.flatnonzero(weights == 0)
    p = np.zeros((len(malignancy), len(weights)), np.float32)
    p[:, sick] = malignancy
    p[:, well[0]] = 1 - np.array(malignancy) - moved
    p[:, well[1]] = moved
    columns = [p @ np.array(score.weights, np.float32) for score in manifest.scores]
    return {"probabilities": p, "scores": np.stack(columns, 1), "outlier": np.zeros((len(p), 1), np.float32)}


def test_alike_is_alike(manifest: Manifest, variant: Variant) -> None:
    same = outputs(manifest, [0.1, 0.9, 0.4, 0.6] * 5)
    truth = Truth(np.array([0, 1, 0, 1] * 5, np.float32), np.arange(20))
    found = compare(manifest, "rule_out", (variant, same), (variant, same), truth)
    assert (found.largest, found.mean, found.kl) == (0, 0, 0)
    assert (found.top1, found.decisions) == (1, 1)
    assert found.auc_difference is not None
    assert (found.auc_difference.value, found.auc_difference.low) == (0, 0)
    assert judge(found, LIMITS, labelled=True) == []


def test_figures_by_hand(manifest: Manifest, variant: Variant) -> None:
    classes = len(manifest.classes)
    threshold = variant.operating_points["rule_out"].threshold
    low, high = threshold / 2, (1 + threshold) / 2
    old = outputs(manifest, [low, high])
    new = outputs(manifest, [high, high])
    found = compare(manifest, "rule_out", (variant, new), (variant, old))
    assert found.decisions == 0.5
    assert found.largest == pytest.approx(high - low, abs=1e-6)
    assert found.mean == pytest.approx(2 * (high - low) / (2 * classes), abs=1e-6)
    divergence = low * np.log(low / high) + (1 - low) * np.log((1 - low) / (1 - high))
    assert found.kl == pytest.approx(divergence / 2, rel=1e-4)
    assert found.ece is None
    assert found.auc_difference is None


def test_a_divergence_is_never_below_nothing(manifest: Manifest, variant: Variant) -> None:
    same = outputs(manifest, [0.1, 0.9])
    rounded_up = {**same, "probabilities": same["probabilities"] * np.float32(1 + 2e-7)}
    assert compare(manifest, "rule_out", (variant, rounded_up), (variant, same)).kl == 0


def test_labels_that_leave_it_open_take_no_part(manifest: Manifest, variant: Variant) -> None:
    old, new = outputs(manifest, [0.1, 0.9, 0.5] * 10), outputs(manifest, [0.9, 0.1, 0.5] * 10)
    truth = Truth(np.array([0, 1, np.nan] * 10, np.float32), np.arange(30))
    found = compare(manifest, "rule_out", (variant, new), (variant, old), truth)
    assert found.auc_difference is not None
    assert found.auc_difference.value == -1
    # Two kinds of image, each in a bin of its own: gaps of 0.1 and 0.1 for float32, of 0.9 and 0.9 for the variant.
    assert found.ece_reference == pytest.approx(0.1, abs=1e-6)
    assert found.ece == pytest.approx(0.9, abs=1e-6)
    nothing = Truth(np.full(30, np.nan, np.float32), np.arange(30))
    assert compare(manifest, "rule_out", (variant, new), (variant, old), nothing).auc_difference is None


def test_a_few_images_of_a_kind_show_no_difference(manifest: Manifest, variant: Variant) -> None:
    """Scores that order nine cancers alike differ by exactly nothing, with an interval of no width."""
    scores = [0.9] * 9 + [0.1] * 40
    truth = Truth(np.array([1] * 9 + [0] * 40, np.float32), np.arange(49))
    pair = (variant, outputs(manifest, scores)), (variant, outputs(manifest, scores))
    found = compare(manifest, "rule_out", *pair, truth)
    assert found.auc_difference is None
    assert "fewer than 10 malignant or benign images" in judge(found, LIMITS, labelled=True)[0]
    lesions = Truth(np.array([1] * 20 + [0] * 40, np.float32), np.repeat(np.arange(12), 5))
    pair = (variant, outputs(manifest, scores[:9] + [0.8] * 51)), (variant, outputs(manifest, scores[:9] + [0.8] * 51))
    assert compare(manifest, "rule_out", *pair, lesions).auc_difference is None


@pytest.mark.parametrize(
    ("change", "labelled", "reason"),
    [
        ({}, True, None),
        ({}, False, None),
        ({"largest": 0.11}, False, "largest probability error 0.11, limit 0.1"),
        ({"largest": 0.11}, True, None),
        ({"scores": 0.11}, False, "largest error of a score 0.11, limit 0.1"),
        ({"scores": float("nan")}, False, "largest error of a score nan"),
        ({"outlier": 0.4}, False, "outlier score off by 0.4 of the abstention limit, limit 0.35"),
        ({"outlier": float("nan")}, False, "outlier score off by nan"),
        ({"mean": 0.02}, True, "mean probability error 0.02, limit 0.01"),
        ({"mean": float("nan")}, False, "mean probability error nan"),
        ({"decisions": 0.94}, True, "same decision on 94.0% of images, limit 95.0%"),
        ({"decisions": 0.8}, False, None),
        ({"decisions": 0.5}, False, "another decision on 5 of 10 images, limit 95.0% the same"),
        ({"auc_difference": Gap(value=-0.1, low=-0.2, high=-0.05)}, True, "is inferior at a margin of 0.005"),
        ({"auc_difference": Gap(value=0.0, low=-0.01, high=0.01)}, True, "is inconclusive"),
        ({"auc_difference": Gap(value=-0.002, low=-0.004, high=0.0)}, True, None),
        ({"auc_difference": None}, True, "is undetermined"),
    ],
)
def test_limits(change: dict[str, float], labelled: bool, reason: str | None) -> None:
    failures = judge(replace(FIGURES, **change), LIMITS, labelled)
    assert len(failures) == (0 if reason is None else 1)
    assert reason is None or reason in failures[0]


def test_limits_come_from_the_manifest(variant: Variant) -> None:
    stated = {f"{name}_limit": 0.5 for name in Limits._fields}
    assert limits_of(variant.model_copy(update={"parity": stated})) == Limits(0.5, 0.5, 0.5, 0.5, 0.5)
    del stated["outlier_limit"]
    found = limits_of(variant.model_copy(update={"parity": stated, "name": "float16"}))
    assert found == Limits(0.5, 0.5, 0.5, 0.5, PARITY_LIMITS["float16"].outlier), "bundles of before state none for it"
    assert limits_of(variant.model_copy(update={"parity": {}, "name": "float16"})) == PARITY_LIMITS["float16"]
    assert limits_of(variant.model_copy(update={"parity": {}, "name": "unheard_of"})) is None


def test_broken_outputs_are_told(manifest: Manifest, variant: Variant) -> None:
    good = outputs(manifest, [0.2, 0.3])

    def told(**changed: npt.NDArray[np.float32]) -> str:
        return str(broken(manifest, variant, {**good, **changed}, 2))

    assert broken(manifest, variant, good, 2) is None
    assert "instead of [2, 7]" in told(probabilities=good["probabilities"][:, :6])
    assert "not the sum of its classes" in told(probabilities=good["probabilities"] * 1.1)
    assert "do not sum to 1" in told(probabilities=good["probabilities"] * 0.9, scores=good["scores"] * 0.9)
    bad = good["outlier"].copy()
    bad[1] = np.inf
    assert told(outlier=bad) == "outlier are not finite numbers on 1 images"
    assert told(outlier=np.zeros((2, 3), np.float32)) == "outlier is [2, 3] instead of [2, 1]"
    assert told(outlier=np.zeros(2, np.float32)) == "outlier is [2] instead of [2, 1]"
    assert "on 2 images" in told(outlier=np.zeros((5, 1), np.float32))
    assert broken(manifest, variant, {"probabilities": good["probabilities"]}, 2) == "no outlier, scores"


def test_a_score_that_leaves_melanoma_out_is_told(manifest: Manifest, variant: Variant) -> None:
    good = outputs(manifest, [0.2, 0.9])
    melanoma = [entry.node for entry in manifest.classes].index("melanoma")
    sums = good["probabilities"].copy()
    sums[:, melanoma] = 0.5
    sums /= sums.sum(1, keepdims=True)
    scores = np.stack([sums @ np.array(score.weights, np.float32) for score in manifest.scores], 1)
    scores[:, 0] -= sums[:, melanoma]
    tampered = good | {"probabilities": sums, "scores": scores}
    assert "malignancy is not the sum of its classes" in str(broken(manifest, variant, tampered, 2))


def test_errors_of_scores_and_outlier_score_by_hand(manifest: Manifest, variant: Variant) -> None:
    assert variant.abstention is not None
    limit = variant.abstention.limit
    old, new = outputs(manifest, [0.2, 0.9]), outputs(manifest, [0.25, 0.9])
    old["outlier"][:] = [[limit / 2], [4 * limit]]
    new["outlier"][:] = [[limit / 4], [5 * limit]]
    found = compare(manifest, "rule_out", (variant, new), (variant, old))
    assert found.scores == pytest.approx(0.05, abs=1e-6)
    # A quarter of the limit; and, far above it, a quarter of the score.
    assert found.outlier == pytest.approx(0.25)
