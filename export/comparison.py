"""How far a variant's outputs are from float32's, and whether that is within the variant's limits."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from export.parity import PARITY_LIMITS, Limits, outlier_error
from mobile_runtime.engines import check_outputs
from mobile_runtime.errors import EngineError
from mobile_runtime.golden import decide_rule
from mobile_runtime.manifest import Manifest, Variant
from mobile_runtime.reliability import expected_calibration_error
from mobile_runtime.statistics import Gap, auc, non_inferiority, paired_difference

Outputs = dict[str, npt.NDArray[np.float32]]
SMALLEST = 1e-6
"""Probabilities below are taken as this one for the divergence: float16 has none under 6e-8, and gives 0 instead."""
FEW = 10
"""Fewest malignant and fewest benign images that a difference of AUCs is judged by: two networks often order all pairs of fewer
alike, and the interval of a difference of exactly nothing has no width."""


@dataclass(frozen=True)
class Truth:
    """What labels say of N images.

    Attributes:
        malignant: float32 [N], 1 or 0; NaN where a label leaves it open.
        groups: int64 [N], number of the lesion or patient.
    """

    malignant: npt.NDArray[np.float32]
    groups: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Figures:
    """A variant against float32 on the same images.

    Attributes:
        images: N.
        largest, mean: absolute difference of class probabilities, 0..1.
        top1: share of images with the same likeliest class.
        decisions: share of images with the same decision (refer, low concern, abstain), each at its own limits.
        scores: largest absolute difference of a score, 0..1.
        outlier: see `export.parity.outlier_error`; None where neither abstains.
        kl: mean Kullback-Leibler divergence from float32's probabilities, nats.
        ece: expected calibration error of malignancy, 0..1, and `ece_reference` that of float32; None without labels.
        auc_difference: malignancy AUC minus float32's with its paired 95 % interval (DeLong, images of a lesion or patient
            taken as one); None without labels of both kinds.
    """

    images: int
    largest: float
    mean: float
    top1: float
    decisions: float
    kl: float
    scores: float = 0.0
    outlier: float | None = None
    ece: float | None = None
    ece_reference: float | None = None
    auc_difference: Gap | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        gap = self.auc_difference
        return asdict(self) | {"auc_difference": None if gap is None else gap.model_dump(mode="json")}


def malignancy(manifest: Manifest, outputs: Outputs) -> npt.NDArray[np.float32]:
    """The malignancy score, float32 [N]."""
    return outputs["scores"][:, [score.name for score in manifest.scores].index("malignancy")]


def decisions(manifest: Manifest, variant: Variant, point: str, outputs: Outputs) -> npt.NDArray[np.str_]:
    """The decision on each image whose quality is taken as good, [N]."""
    outliers = outputs["outlier"].reshape(-1) if "outlier" in outputs else [None] * len(outputs["scores"])
    scores = malignancy(manifest, outputs)
    return np.array(
        [
            decide_rule(variant, point, [], float(score), None if outlier is None else float(outlier)).value
            for score, outlier in zip(scores, outliers, strict=True)
        ]
    )


def compare(
    manifest: Manifest,
    point: str,
    found: tuple[Variant, Outputs],
    reference: tuple[Variant, Outputs],
    truth: Truth | None = None,
) -> Figures:
    """Figures of a variant against the reference, both on the same N images.

    Args:
        manifest: of their bundle.
        point: name of the operating point.
        found: the variant and its outputs.
        reference: the float32 variant and its outputs.
        truth: labels, if there are any.
    """
    new, old = (outputs["probabilities"].astype(np.float64) for _, outputs in (found, reference))
    difference = np.abs(new - old)
    logs = [np.log(np.maximum(p, SMALLEST)) for p in (new, old)]
    same = decisions(manifest, found[0], point, found[1]) == decisions(manifest, reference[0], point, reference[1])
    calibration: list[float | None] = [None, None]
    gap = None
    if truth is not None:
        known = ~np.isnan(truth.malignant)
        sick = truth.malignant[known] == 1
        scores = [malignancy(manifest, outputs)[known] for _, outputs in (found, reference)]
        calibration = [expected_calibration_error(sick, score) for score in scores]
        ours, theirs = (auc(sick, score) for score in scores)
        groups = np.unique(truth.groups[known], return_inverse=True)[1].astype(np.int64)
        # Images of one lesion tell nothing of others: intervals over a few lesions have hardly any width.
        if ours is not None and theirs is not None and min(len(np.unique(groups[kind])) for kind in (sick, ~sick)) >= FEW:
            gap = paired_difference(ours, theirs, groups)
    return Figures(
        images=len(new),
        largest=float(difference.max()),
        mean=float(difference.mean()),
        top1=float((new.argmax(1) == old.argmax(1)).mean()),
        decisions=float(same.mean()),
        scores=float(np.abs(found[1]["scores"] - reference[1]["scores"]).max()),
        outlier=_outlier_error(found, reference),
        kl=float((old * (logs[1] - logs[0])).sum(1).mean()),
        ece=calibration[0],
        ece_reference=calibration[1],
        auc_difference=gap,
    )


def _outlier_error(found: tuple[Variant, Outputs], reference: tuple[Variant, Outputs]) -> float | None:
    limit = found[0].abstention
    if limit is None or "outlier" not in reference[1]:
        return None
    return outlier_error(found[1]["outlier"], reference[1]["outlier"], limit.limit)


def limits_of(variant: Variant) -> Limits | None:
    """The limits that the manifest states; those of this version for a bundle from before it stated any, or that one."""
    own = PARITY_LIMITS.get(variant.name)
    stated = {name: value for name in Limits._fields if (value := variant.parity.get(f"{name}_limit")) is not None}
    if stated.keys() >= set(Limits._fields) - {"outlier"}:
        return Limits(**({"outlier": own.outlier} if own else {}) | stated)
    return own


def broken(manifest: Manifest, variant: Variant, outputs: Outputs, count: int) -> str | None:
    """Why outputs on `count` images are none of a working classifier with the manifest's scores; None if they are."""
    if lacking := variant.outputs.keys() - outputs.keys():
        return f"no {', '.join(sorted(lacking))}"
    for role, values in outputs.items():
        if values.dtype != np.float32 or values.shape[:1] != (count,):
            return f"{role} are {values.dtype} {list(values.shape)} on {count} images"
        if not np.isfinite(values).all():
            return f"{role} are not finite numbers on {int((~np.isfinite(values)).reshape(count, -1).any(1).sum())} images"
    if (outlier := outputs.get("outlier")) is not None and outlier.shape != (count, 1):
        return f"outlier is {list(outlier.shape)} instead of {[count, 1]}"
    try:
        check_outputs(manifest, variant, outputs, count)
    except EngineError as error:
        return str(error)
    return None


def judge(figures: Figures, limits: Limits, labelled: bool) -> list[str]:
    """Every limit that is missed, in words.

    The largest errors (of probabilities, scores and outlier score) are judged on images without labels only: the more images,
    the larger they get. Of those, which are few, one decision more may differ than the agreement leaves. Labelled images must
    give the agreement, and show that the AUC is not lower by more than the margin: too few images to show it is a failure.
    """
    failures = []
    if not labelled and not figures.largest <= limits.largest:
        failures.append(f"largest probability error {figures.largest:.2g}, limit {limits.largest:g}")
    if not labelled and not figures.scores <= limits.largest:
        failures.append(f"largest error of a score {figures.scores:.2g}, limit {limits.largest:g}")
    if not labelled and figures.outlier is not None and not figures.outlier <= limits.outlier:
        off = f"outlier score off by {figures.outlier:.2g} of the abstention limit"
        failures.append(f"{off}, limit {limits.outlier:g}")
    if not figures.mean <= limits.mean:
        failures.append(f"mean probability error {figures.mean:.2g}, limit {limits.mean:g}")
    differing = round(figures.images * (1 - figures.decisions))
    if not labelled and differing > math.ceil(figures.images * (1 - limits.agreement)) + 1:
        failures.append(f"another decision on {differing} of {figures.images} images, limit {limits.agreement:.1%} the same")
    if labelled and figures.decisions < limits.agreement:
        failures.append(f"same decision on {figures.decisions:.1%} of images, limit {limits.agreement:.1%}")
    outcome = non_inferiority(figures.auc_difference, limits.auc_loss)
    if labelled and outcome != "non-inferior":
        gap = figures.auc_difference
        few = f"fewer than {FEW} malignant or benign images, lesions or patients"
        interval = few if gap is None else f"{gap.value:+.4f} ({gap.low:+.4f} to {gap.high:+.4f})"
        failures.append(f"malignancy AUC against float32 is {outcome} at a margin of {limits.auc_loss:g}: {interval}")
    return failures
