"""Nine-fold figures beside those of Esteva et al. 2017 (Nature 542:115), as a table for the README."""

from __future__ import annotations

import json
from pathlib import Path

from mobile_runtime.errors import DataError

FOLDS = Path(__file__).parent.parent / "train" / "results" / "folds_ham10000.json"
"""As `python -m train crossvalidate` writes it."""
ROWS = {
    "balanced_accuracy_three_way": (
        "three-way balanced accuracy",
        "0.721 (0.009), with the partitioning; 0.694 (0.008) without",
    ),
    "balanced_accuracy_nine_way": ("nine-way balanced accuracy", "0.554 (0.017), with the partitioning; 0.489 (0.019) without"),
    "auc_carcinoma": ("carcinoma against seborrheic keratosis, AUC", "0.96 on 135 and on 707 images"),
    "auc_melanoma": ("melanoma against nevus, photographs, AUC", "0.94 on 130 images, 0.96 on 225"),
    "auc_dermoscopy": ("melanoma against nevus, dermoscopy, AUC", "0.91 on 111 images, 0.94 on 1,010"),
    "auc_malignancy": ("malignancy, AUC", ""),
    "balanced_accuracy_classes": ("the seven kinds of HAM10000, balanced accuracy", ""),
}
"""Figure -> its title, and what the paper reports: mean (standard deviation) over its nine folds, AUCs of one network."""


def table(path: Path = FOLDS) -> str:
    """Markdown; figures that these data cannot give are said to be absent.

    Raises:
        DataError: no cross-validation is stored there.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        summary = document["summary"]
        head = f"HAM10000 in {len(document['folds'])} folds of {document['of_folds']}: mean (standard deviation)"
        lines = [f"|  | {head} | Esteva et al. 2017 |", "| --- | --- | --- |"]
        for name, (title, theirs) in ROWS.items():
            row = summary.get(name)
            ours = f"{row['mean']:.3f} ({row['sd']:.3f})" if row else "absent: not among these images"
            lines.append(f"| {title} | {ours} | {theirs} |")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a result of `python -m train crossvalidate` ({error})") from error
    return "\n".join(lines)
