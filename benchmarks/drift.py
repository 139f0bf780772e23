"""Accuracy drift: what each variant loses against the float32 one, on the same images, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks import agreement, statistics
from benchmarks.drift_notes import FEW
from benchmarks.drift_results import Differences, VariantDrift, Verdict
from benchmarks.labelled import LabelledSet, Truth
from benchmarks.scoring import Scored
from mobile_runtime.bundle import Bundle
from mobile_runtime.errors import BundleError
from mobile_runtime.manifest import Estimate
from mobile_runtime.proportions import proportion
from mobile_runtime.reliability import expected_calibration_error
from mobile_runtime.statistics import (
    Floats,
    Gap,
    Measure,
    auc,
    balanced_accuracy,
    mean_of,
    non_inferiority,
    paired_difference,
)


@dataclass(frozen=True)
class Settings:
    """How to compare.

    Attributes:
        reference: name of the full-precision variant.
        operating_point: the point at which flips are listed.
        margin: largest loss of malignancy AUC that is acceptable, 0..1.
        resamples: bootstrap resamples.
        seed: of the bootstrap.
        floor: fewest malignant and fewest benign images for a verdict.
        malignant: which of the C classes the malignancy score sums; None leaves calibration before the temperature out.
    """

    reference: str
    operating_point: str
    margin: float = 0.005
    resamples: int = 2000
    seed: int = 0
    floor: int = FEW
    malignant: tuple[bool, ...] | None = None


@dataclass(frozen=True)
class _Measures:
    """AUCs of one variant; None where undefined."""

    malignancy: Measure | None
    per_class: dict[str, Measure | None]
    macro: Measure | None


def reference_variant(bundle: Bundle) -> str:
    """Name of the bundle's float32 TFLite variant.

    Raises:
        BundleError: it has none.
    """
    for name, variant in bundle.variants.items():
        if variant.runtime == "litert" and variant.precision == "float32":
            return name
    raise BundleError(
        f"bundle {bundle.id}: no float32 TFLite variant to compare with, only {', '.join(bundle.variants)}; "
        "run `make bundle` and pass --bundle dist/bundle"
    )


def compare(
    scored: Mapping[str, Scored],
    labelled: LabelledSet,
    class_labels: Sequence[str],
    settings: Settings,
    advance: Callable[[int], None] | None = None,
) -> dict[str, VariantDrift]:
    """Compare the outputs of several variants on the same images.

    Args:
        scored: variants with their outputs by name, the reference among them.
        labelled: the N images.
        class_labels: short labels of the model's C classes.
        settings: how to compare.
        advance: called with the number of bootstrap resamples done since the last call.
    """
    truth = Truth.of(labelled)
    measures = {name: _measure(each, truth, class_labels) for name, each in scored.items()}
    resampled = _resample(scored, truth, settings, advance)
    reference = scored[settings.reference]
    by_lesion = truth.groups[truth.exact]
    malignant = truth.malignant[truth.decided]
    enough = min(truth.groups_of_kinds()) >= settings.floor
    # With one class, both are that class's recall: a model that always names it would be right every time.
    several = len(np.unique(truth.classes[truth.exact])) > 1
    calibration = _calibration_limits(scored, truth, settings)
    result = {}
    for name, each in scored.items():
        differences = verdict = None
        if name != settings.reference:
            differences = _differences(measures[name], measures[settings.reference], truth, resampled.get(name))
            gap = differences.auc_malignancy_bootstrap if enough else None
            outcome = non_inferiority(gap, settings.margin)
            verdict = Verdict(outcome=outcome, margin=settings.margin)
        expected, predicted = truth.classes[truth.exact], each.prediction.probabilities[truth.exact].argmax(axis=1)
        shared = [point for point in each.variant.operating_points if point in reference.variant.operating_points]
        result[name] = VariantDrift(
            runtime=each.variant.runtime,
            precision=each.variant.precision,
            engine=each.engine,
            size_bytes=each.variant.size_bytes,
            auc_malignancy=_estimate(measures[name].malignancy, truth.groups[truth.decided]),
            auc_macro=_estimate(measures[name].macro, by_lesion),
            auc_per_class={label: _estimate(measure, by_lesion) for label, measure in measures[name].per_class.items()},
            accuracy=proportion(expected == predicted, by_lesion) if several else None,
            balanced_accuracy=_estimate(balanced_accuracy(expected, predicted), by_lesion) if several else None,
            ece_malignancy=expected_calibration_error(malignant, each.prediction.malignancy[truth.decided]),
            ece_malignancy_interval=calibration[name],
            ece_malignancy_uncalibrated=_uncalibrated(each, truth, settings.malignant),
            temperature=each.variant.temperature,
            differences=differences,
            verdict=verdict,
            confidence_drift=agreement.confidence_drift(each, reference),
            operating_points={point: agreement.decisions(each, reference, point, truth) for point in shared},
            flips=agreement.flips(each, reference, settings.operating_point, labelled),
        )
    return result


def _uncalibrated(scored: Scored, truth: Truth, columns: Sequence[bool] | None) -> float | None:
    """Calibration error of malignancy without the temperature T of the graph: softmax(T log p) undoes softmax(z / T)."""
    probabilities = scored.prediction.probabilities[truth.decided].astype(np.float64)
    # A probability of exactly 0 has lost its logit.
    if columns is None or scored.variant.temperature == 1 or not (probabilities > 0).all():
        return None
    raised = probabilities**scored.variant.temperature
    malignancy = raised[:, np.asarray(columns)].sum(axis=1) / raised.sum(axis=1)
    return expected_calibration_error(truth.malignant[truth.decided], malignancy)


def _measure(scored: Scored, truth: Truth, class_labels: Sequence[str]) -> _Measures:
    prediction = scored.prediction
    per_class = {
        label: auc(truth.classes[truth.exact] == index, prediction.probabilities[truth.exact, index])
        for index, label in enumerate(class_labels)
    }
    defined = [measure for measure in per_class.values() if measure is not None]
    return _Measures(
        malignancy=auc(truth.malignant[truth.decided], prediction.malignancy[truth.decided]),
        per_class=per_class,
        macro=mean_of(defined) if defined else None,
    )


def _resample(
    scored: Mapping[str, Scored], truth: Truth, settings: Settings, advance: Callable[[int], None] | None
) -> dict[str, Floats]:
    """Malignancy AUC of each variant less the reference's, float64 [R].

    Empty when only one class is there, or one of a single lesion or patient: resamples cannot vary it and would look sure.
    """
    decided = truth.decided
    if min(truth.groups_of_kinds()) < 2:
        return {}
    _, groups = np.unique(truth.groups[decided], return_inverse=True)
    aucs = statistics.bootstrap_auc(
        truth.malignant[decided],
        [each.prediction.malignancy[decided] for each in scored.values()],
        groups,
        settings.resamples,
        settings.seed,
        advance,
    )
    return dict(zip(scored, aucs - aucs[list(scored).index(settings.reference)], strict=True))


def _calibration_limits(
    scored: Mapping[str, Scored], truth: Truth, settings: Settings
) -> dict[str, tuple[float, float] | None]:
    decided = truth.decided
    _, groups = np.unique(truth.groups[decided], return_inverse=True)
    scores = [each.prediction.malignancy[decided] for each in scored.values()]
    limits = statistics.bootstrap_calibration(truth.malignant[decided], scores, groups, settings.resamples, settings.seed)
    return dict(zip(scored, limits, strict=True))


def _estimate(measure: Measure | None, groups: npt.NDArray[np.int64]) -> Estimate | None:
    return None if measure is None else measure.estimate(groups)


def _differences(ours: _Measures, reference: _Measures, truth: Truth, resampled: Floats | None) -> Differences:
    bootstrap = None
    if ours.malignancy and reference.malignancy and resampled is not None:
        bootstrap = statistics.percentile_interval(ours.malignancy.value - reference.malignancy.value, resampled)
    return Differences(
        auc_malignancy_delong=_delong(ours.malignancy, reference.malignancy, truth.groups[truth.decided]),
        auc_malignancy_bootstrap=bootstrap,
        auc_macro_delong=_delong(ours.macro, reference.macro, truth.groups[truth.exact]),
    )


def _delong(ours: Measure | None, reference: Measure | None, groups: npt.NDArray[np.int64]) -> Gap | None:
    return paired_difference(ours, reference, groups) if ours and reference else None
