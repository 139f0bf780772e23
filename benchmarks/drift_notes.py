"""What a reader of a comparison of variants must know: undefined figures, small classes, what took no part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from benchmarks.drift_results import VariantDrift
from benchmarks.labelled import LabelledSet, Truth, notes_of_gaps

FEW = 10
"""Below this many examples of a class a note says that the interval is only a rough guide."""


def notes_of(
    labelled: LabelledSet, class_labels: Sequence[str], variants: Mapping[str, VariantDrift], floor: int = FEW
) -> list[str]:
    """What a reader must know: undefined figures, small classes, rows and files that took no part."""
    truth = Truth.of(labelled)
    notes = []
    malignant = int(truth.malignant.sum())
    benign = int(truth.decided.sum()) - malignant
    fewest = min(truth.groups_of_kinds())
    undecided = len(labelled) - malignant - benign
    if not malignant or not benign:
        only = "malignant" if malignant else "benign" if benign else "undecided"
        notes.append(f"Malignancy AUC is undefined: all deciding labels are {only}. The other figures stand.")
    elif fewest < floor:
        notes.append(f"Only {_counts(truth)}, fewer than the floor of {floor}: no verdict.")
    elif fewest < FEW:
        notes.append(f"Only {_counts(truth)}: intervals are a rough guide.")
    if undecided:
        notes.append(f"{undecided} labels leave malignancy open: these images take no part in malignancy figures.")
    if inexact := len(labelled) - int(truth.exact.sum()):
        notes.append(f"{inexact} labels are not exactly one class: these images take no part in class figures.")
    counts = Counter(truth.classes[truth.exact].tolist())
    absent = [label for index, label in enumerate(class_labels) if not counts[index]]
    if len(counts) == 1:
        notes.append("Class AUCs and accuracies are undefined: all exact labels are one class.")
    elif counts and absent:
        notes.append(f"No image of class {', '.join(absent)}: the macro AUC is the mean over the other classes.")
    if rare := [f"{label} ({counts[i]})" for i, label in enumerate(class_labels) if 0 < counts[i] < FEW]:
        notes.append(f"Fewer than {FEW} images of {', '.join(rare)}: their AUC intervals are a rough guide.")
    if fewest == 1:
        notes.append("All malignant or all benign images are of one lesion or patient: the error of an AUC is unknown.")
    for name, drift in variants.items():
        if fewest > 1 and drift.differences and drift.differences.auc_malignancy_bootstrap is None:
            notes.append(f"{name}: no bootstrap resample held both classes, so there is no verdict.")
    unknown = {n: d.temperature for n, d in variants.items() if d.temperature and d.ece_malignancy_uncalibrated is None}
    for names, why in (
        ([name for name, temperature in unknown.items() if temperature == 1], "their temperature is 1"),
        ([name for name, temperature in unknown.items() if temperature != 1], "some probabilities are exactly 0"),
    ):
        if names and malignant + benign:
            notes.append(f"No calibration error before recalibration for {', '.join(names)}: {why}.")
    return notes + notes_of_gaps(labelled)


def _counts(truth: Truth) -> str:
    malignant = truth.malignant[truth.decided]
    images = (int(malignant.sum()), int((~malignant).sum()))
    groups = truth.groups_of_kinds()
    of = "" if groups == images else f" of {groups[0]} and {groups[1]} lesions or patients"
    return f"{images[0]} malignant and {images[1]} benign images{of}"
