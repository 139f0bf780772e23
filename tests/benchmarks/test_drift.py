"""Drift figures on scores small enough to work out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks import drift
from benchmarks.drift import Settings
from benchmarks.drift_notes import notes_of
from benchmarks.drift_results import VariantDrift
from benchmarks.labelled import LabelledImage, LabelledSet
from benchmarks.scoring import Scored
from mobile_runtime.bundle import Bundle
from mobile_runtime.errors import BundleError
from mobile_runtime.intervals import wilson
from mobile_runtime.manifest import AbstentionLimit
from mobile_runtime.pipeline import Prediction
from mobile_runtime.reliability import expected_calibration_error
from mobile_runtime.synthetic import LABELS
from mobile_runtime.taxonomy import default_taxonomy
from tests.benchmarks import fakes

REFERENCE = [0.9, 0.8, 0.7, 0.2, 0.6, 0.1, 0.1, 0.3]
DX = ["mel", "mel", "mel", "mel", "nv", "nv", "nv", "nv"]


def labelled(labels: list[str], groups: list[str] | None = None) -> LabelledSet:
    taxonomy = default_taxonomy()
    images = []
    for i, label in enumerate(labels):
        nodes = taxonomy.nodes_of("ham10000", label)
        malignant = taxonomy.truth("malignancy", nodes)
        group = groups[i] if groups else str(i)
        images.append(LabelledImage(f"i{i}", Path(f"i{i}.jpg"), label, nodes, malignant, LABELS.index(label), group))
    return LabelledSet(tuple(images), "ham10000")


def compare(
    scores: dict[str, list[float]], labels: list[str] = DX, thresholds: dict[str, float] | None = None
) -> dict[str, VariantDrift]:
    scored = {
        name: Scored(fakes.variant(name, threshold=(thresholds or {}).get(name, 0.5)), "fake", fakes.prediction(values))
        for name, values in scores.items()
    }
    return drift.compare(scored, labelled(labels), LABELS, Settings("float32", "balanced", resamples=500))


def test_decisions_are_taken_at_each_variants_own_threshold() -> None:
    # int8 halves every score and so does its threshold: nothing may change.
    halved = [score / 2 for score in REFERENCE]
    found = compare({"float32": REFERENCE, "int8": halved}, thresholds={"float32": 0.5, "int8": 0.25})
    decisions = found["int8"].operating_points["balanced"]
    assert decisions.threshold == 0.25
    assert decisions.agreement.value == 1.0 and found["int8"].flips == []
    assert decisions.sensitivity is not None and decisions.specificity is not None
    assert (decisions.sensitivity.value, decisions.specificity.value) == (0.75, 0.75)
    assert decisions.mcnemar_p == 1.0


def test_flips_are_listed_worst_first() -> None:
    #            mel: missed           gained  nv: lost        gained big
    moved = [0.9, 0.8, 0.45, 0.55, 0.4, 0.1, 0.95, 0.3]
    found = compare({"float32": REFERENCE, "int8": moved})["int8"]
    assert [(flip.image, flip.referred_by) for flip in found.flips] == [
        ("i2", "reference"),  # a melanoma that is no longer referred, though it moved least but one
        ("i6", "variant"),
        ("i3", "variant"),
        ("i4", "reference"),
    ]
    decisions = found.operating_points["balanced"]
    assert (decisions.refer_lost, decisions.refer_lost_malignant, decisions.refer_gained) == (2, 1, 2)
    assert decisions.agreement.value == 0.5


def test_a_score_on_the_threshold_is_referred() -> None:
    found = compare({"float32": [0.5] * 4 + [0.25] * 4})["float32"]
    sensitivity = found.operating_points["balanced"].sensitivity
    assert sensitivity is not None and sensitivity.value == 1.0


def test_an_abstention_of_one_alone_is_no_agreement() -> None:
    """The scores agree on every image; only the outlier score, and with it the verdict, differs."""
    limit = AbstentionLimit(limit=1.0, aim=0.02, refused=fakes.point(0.5).sensitivity, dataset="none")
    outliers = {"float32": [0, 2, 0, 0, 0, 0, 0, 0], "int8": [2, 0, 0, 0, 0, 0, 0, 4], "own_limit": [0, 6, 0, 0, 0, 0, 0, 0]}
    scored = {}
    for name, values in outliers.items():
        own = limit.model_copy(update={"limit": 5.0}) if name == "own_limit" else limit
        outputs = replace(fakes.prediction(REFERENCE), outlier=np.array(values, np.float32))
        scored[name] = Scored(fakes.variant(name).model_copy(update={"abstention": own}), "fake", outputs)
    found = drift.compare(scored, labelled(DX), LABELS, Settings("float32", "balanced", resamples=100))
    assert found["own_limit"].operating_points["balanced"].agreement.value == 1.0 and found["own_limit"].flips == []
    decisions = found["int8"].operating_points["balanced"]
    assert decisions.agreement.value == 5 / 8
    assert (decisions.abstain_lost, decisions.abstain_gained) == (1, 2)
    assert (decisions.refer_lost, decisions.refer_lost_malignant, decisions.refer_gained) == (0, 0, 0), "nobody is reassured"
    assert decisions.sensitivity is not None and decisions.sensitivity.value == 0.75
    assert [(flip.image, flip.change, flip.missed) for flip in found["int8"].flips] == [
        ("i0", "referred, now no verdict", False),
        ("i1", "no verdict, now referred", False),
        ("i7", "low concern, now no verdict", False),
    ]


def test_auc_and_differences_match_scikit_learn() -> None:
    moved = [0.9, 0.8, 0.45, 0.05, 0.4, 0.1, 0.95, 0.3]
    found = compare({"float32": REFERENCE, "int8": moved})
    truth = [label == "mel" for label in DX]
    expected = roc_auc_score(truth, moved) - roc_auc_score(truth, REFERENCE)
    differences = found["int8"].differences
    assert differences is not None and differences.auc_malignancy_delong and differences.auc_malignancy_bootstrap
    assert differences.auc_malignancy_delong.value == pytest.approx(expected)
    bootstrap = differences.auc_malignancy_bootstrap
    assert bootstrap.value == pytest.approx(expected)
    assert bootstrap.low < expected < bootstrap.high
    assert bootstrap.resamples is not None and 450 < bootstrap.resamples <= 500
    assert found["float32"].differences is None and found["float32"].verdict is None


def test_the_verdict_follows_the_margin() -> None:
    truth_like = [0.9, 0.8, 0.7, 0.6, 0.1, 0.2, 0.3, 0.4] * 10
    reversed_scores = [1 - score for score in truth_like]
    found = compare({"float32": truth_like, "same": truth_like, "worse": reversed_scores}, DX * 10)
    assert found["same"].verdict and found["same"].verdict.outcome == "non-inferior"
    assert found["worse"].verdict and found["worse"].verdict.outcome == "inferior"


def test_too_few_images_give_no_verdict() -> None:
    same = drift.compare(
        {name: Scored(fakes.variant(name), "fake", fakes.prediction(REFERENCE)) for name in ("float32", "int8")},
        labelled(DX),
        LABELS,
        Settings("float32", "balanced", resamples=100, floor=5),
    )
    assert same["int8"].verdict is not None and same["int8"].verdict.outcome == "undetermined"
    notes = " ".join(notes_of(labelled(DX), LABELS, same, floor=5))
    assert "Only 4 malignant and 4 benign images, fewer than the floor of 5: no verdict" in notes
    assert "No calibration error before recalibration for float32, int8: their temperature is 1" in notes


def test_many_images_of_a_few_lesions_give_no_verdict() -> None:
    """Intervals over one malignant and one benign lesion have no width, whatever the images show."""
    scored = {name: Scored(fakes.variant(name), "fake", fakes.prediction(REFERENCE * 5)) for name in ("float32", "int8")}
    labels = DX * 5
    lesions = labelled(labels, ["sick" if label in ("mel", "bcc", "akiec") else "well" for label in labels])
    found = drift.compare(scored, lesions, LABELS, Settings("float32", "balanced", resamples=100))
    assert found["int8"].verdict is not None and found["int8"].verdict.outcome == "undetermined"
    notes = notes_of(lesions, LABELS, found)
    assert "Only 20 malignant and 20 benign images of 1 and 1 lesions or patients, fewer than the floor of 10" in notes[0]
    assert "the error of an AUC is unknown" in " ".join(notes)
    area, differences = found["float32"].auc_malignancy, found["int8"].differences
    assert area is not None and (area.low, area.high) == (0, 1)
    assert differences is not None and differences.auc_malignancy_bootstrap is None
    lax = drift.compare(scored, lesions, LABELS, Settings("float32", "balanced", resamples=100, floor=1))
    assert lax["int8"].verdict is not None and lax["int8"].verdict.outcome == "undetermined"
    apart = drift.compare(scored, labelled(labels), LABELS, Settings("float32", "balanced", resamples=100))
    assert apart["int8"].verdict is not None and apart["int8"].verdict.outcome == "non-inferior"


def test_copies_of_an_image_make_no_share_surer() -> None:
    """Shares are of images, their intervals of lesions: each image twice says what it says once."""
    scores = {"float32": REFERENCE, "int8": [max(0.0, score - 0.2) for score in REFERENCE]}
    lesions = [str(i) for i in range(len(DX))]
    settings = Settings("float32", "balanced", resamples=100)
    once, twice = (
        drift.compare(
            {name: Scored(fakes.variant(name), "fake", fakes.prediction(own * times)) for name, own in scores.items()},
            labelled(DX * times, lesions * times),
            LABELS,
            settings,
        )["int8"]
        for times in (1, 2)
    )
    for name in ("sensitivity", "specificity", "agreement"):
        single, double = (getattr(found.operating_points["balanced"], name) for found in (once, twice))
        assert double.n == 2 * single.n
        assert (double.low, double.high) == pytest.approx((single.low, single.high), abs=0.03)  # the factor G/(G-1)
        apart = wilson(round(double.value * double.n), double.n)
        assert apart is not None and double.high - double.low > apart.high - apart.low
    assert once.accuracy is not None and twice.accuracy is not None
    assert twice.accuracy.low == pytest.approx(once.accuracy.low, abs=0.03)


def test_calibration_error_before_the_temperature() -> None:
    # Over-confident logits, softened by T = 2: undoing it gives the error of the logits as they were.
    logits = np.random.default_rng(0).normal(0, 3, (8, len(LABELS)))
    soft = np.exp(logits / 2) / np.exp(logits / 2).sum(1, keepdims=True)
    hard = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    columns = np.array([label in ("akiec", "bcc", "mel") for label in LABELS])
    scores = soft[:, columns].sum(1).astype(np.float32)
    prediction = Prediction(soft.astype(np.float32), scores, {"malignancy": scores})
    variant = fakes.variant("float32").model_copy(update={"temperature": 2.0})
    settings = Settings("float32", "balanced", resamples=100, malignant=tuple(columns.tolist()))
    found = drift.compare({"float32": Scored(variant, "fake", prediction)}, labelled(DX), LABELS, settings)["float32"]
    truth = np.array([label == "mel" for label in DX])
    assert found.ece_malignancy == pytest.approx(expected_calibration_error(truth, scores))
    low, high = found.ece_malignancy_interval or (1.0, 0.0)
    assert 0 <= low <= found.ece_malignancy <= high <= 1
    before = expected_calibration_error(truth, hard[:, columns].sum(1))
    assert found.ece_malignancy_uncalibrated == pytest.approx(before, abs=1e-6) and before != found.ece_malignancy
    assert found.temperature == 2.0


def test_confidence_drift_is_the_absolute_change() -> None:
    moved = [*REFERENCE[:-1], 0.7]
    found = compare({"float32": REFERENCE, "int8": moved})["int8"].confidence_drift
    assert found.malignancy_max == pytest.approx(0.4, abs=1e-6)
    assert found.malignancy_mean == pytest.approx(0.4 / 8, abs=1e-6)
    assert found.probability_max == pytest.approx(0.4, abs=1e-6)
    assert found.probability_mean == pytest.approx(0.8 / 56, abs=1e-6)


def test_one_class_only_leaves_the_rest_standing() -> None:
    found = compare({"float32": REFERENCE, "int8": [score * 0.9 for score in REFERENCE]}, ["nv"] * 8)
    int8 = found["int8"]
    assert int8.auc_malignancy is None and int8.auc_macro is None
    assert int8.differences is not None and int8.differences.auc_malignancy_bootstrap is None
    assert int8.verdict is not None and int8.verdict.outcome == "undetermined"
    decisions = int8.operating_points["balanced"]
    assert decisions.sensitivity is None
    assert decisions.specificity is not None and decisions.specificity.value == 0.5
    assert int8.ece_malignancy is not None
    assert int8.accuracy is None and int8.balanced_accuracy is None, "a model that always says nevus would be right"
    notes = " ".join(notes_of(labelled(["nv"] * 8), LABELS, found))
    assert "Malignancy AUC is undefined: all deciding labels are benign" in notes
    assert "Class AUCs and accuracies are undefined" in notes


def test_open_labels_take_no_part_in_malignancy_figures() -> None:
    images = list(labelled([*DX, "nv", "nv"]).images)
    for i in (8, 9):
        images[i] = LabelledImage(f"i{i}", Path(), "?", ("skin_condition",), None, None, f"g{i}")
    scored = {"float32": Scored(fakes.variant("float32"), "fake", fakes.prediction([*REFERENCE, 1.0, 1.0]))}
    subset = LabelledSet(tuple(images), "ham10000")
    found = drift.compare(scored, subset, LABELS, Settings("float32", "balanced", resamples=100))["float32"]
    assert found.auc_malignancy is not None and found.auc_malignancy.n == 8
    decisions = found.operating_points["balanced"]
    assert decisions.specificity is not None and decisions.specificity.n == 4
    assert decisions.agreement.n == 10
    notes = " ".join(notes_of(subset, LABELS, {}))
    assert "2 labels leave malignancy open" in notes and "2 labels are not exactly one class" in notes


def test_macro_is_over_the_classes_present_and_says_so() -> None:
    found = compare({"float32": REFERENCE})["float32"]
    assert found.auc_per_class["bcc"] is None
    assert found.auc_per_class["mel"] is not None and found.auc_macro is not None
    assert found.auc_macro.value == pytest.approx(found.auc_per_class["mel"].value)
    notes = " ".join(notes_of(labelled(DX), LABELS, {}))
    assert "No image of class akiec, bcc, bkl, df, vasc" in notes
    assert "Only 4 malignant and 4 benign images" in notes
    assert "Fewer than 10 images of mel (4), nv (4)" in notes


def test_the_reference_is_the_float32_tflite_variant(bundle_path: Path, tmp_path: Path) -> None:
    assert drift.reference_variant(Bundle.load(bundle_path)) == "float32"
    variants = [fakes.variant("int8", precision="int8"), fakes.variant("onnx_float32", "onnx", "float32")]
    alone = Bundle.load(fakes.write_bundle(tmp_path / "small", variants))
    with pytest.raises(BundleError, match=r"only int8, onnx_float32; run `make bundle` and pass --bundle dist/bundle"):
        drift.reference_variant(alone)


def test_few_malignant_lesions_give_no_verdict_however_many_are_benign() -> None:
    scores, labels = [0.9, 0.8, 0.7] + [0.1, 0.2] * 30, ["mel"] * 3 + ["nv"] * 60
    for own, kinds in ((scores, labels), ([1 - score for score in scores], ["nv"] * 3 + ["mel"] * 60)):
        found = compare({"float32": own, "int8": own}, kinds)["int8"]
        assert found.differences is not None and found.differences.auc_malignancy_bootstrap is not None
        assert found.verdict is not None and found.verdict.outcome == "undetermined"


def test_copies_of_an_image_make_no_verdict_surer() -> None:
    """Whole lesions are drawn: where each has eight images, the interval is as wide as where each has one."""
    rng = np.random.default_rng(0)
    logits = rng.normal(np.repeat([0.8, -0.8], 20))
    reference, moved = (1 / (1 + np.exp(-each)) for each in (logits, logits + rng.normal(0, 0.5, 40)))
    labels, lesions = ["mel"] * 20 + ["nv"] * 20, [str(i) for i in range(40)]

    def judged(times: int, groups: list[str] | None) -> VariantDrift:
        scored = {
            name: Scored(fakes.variant(name), "fake", fakes.prediction([*scores] * times))
            for name, scores in (("float32", reference), ("int8", moved))
        }
        settings = Settings("float32", "balanced", margin=0.05, resamples=500)
        return drift.compare(scored, labelled(labels * times, groups), LABELS, settings)["int8"]

    intervals, outcomes = [], []
    for found in judged(1, None), judged(8, lesions * 8), judged(8, None):
        assert found.differences is not None and found.differences.auc_malignancy_bootstrap is not None and found.verdict
        intervals.append((found.differences.auc_malignancy_bootstrap.low, found.differences.auc_malignancy_bootstrap.high))
        outcomes.append(found.verdict.outcome)
    assert intervals[1] == pytest.approx(intervals[0], abs=0.01)
    assert outcomes == ["inconclusive", "inconclusive", "non-inferior"], "the last as if all were lesions of their own"


@pytest.mark.parametrize(
    ("image", "score", "counts"),
    [
        (2, 0.4, (1, 1, 0)),  # a melanoma that the reference referred
        (4, 0.4, (1, 0, 0)),  # a nevus
        (3, 0.6, (0, 0, 1)),  # a melanoma that the reference missed
    ],
)
def test_what_the_variant_alone_reassures_is_lost_and_what_it_alone_refers_is_gained(
    image: int, score: float, counts: tuple[int, int, int]
) -> None:
    found = compare({"float32": REFERENCE, "int8": [*REFERENCE[:image], score, *REFERENCE[image + 1 :]]})["int8"]
    decisions = found.operating_points["balanced"]
    assert (decisions.refer_lost, decisions.refer_lost_malignant, decisions.refer_gained) == counts
