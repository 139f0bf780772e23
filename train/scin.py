"""SCIN (Ward et al. 2024, arXiv:2402.18545): cases of one to three photographs, and what dermatologists make of each case."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pandas as pd

from mobile_runtime.console import err
from mobile_runtime.errors import DataError, name_few
from mobile_runtime.taxonomy import default_taxonomy
from train.image_files import find_files
from train.release_files import joined, subfolders
from train.tables import Columns, Example, make_examples, read_frame, refuse_doubled, require_columns

_CANCER = re.compile("cancer|carcinoma|melanoma|lymphoma|leuka?emia|sarcoma|malignan|metasta|neoplas|tumou?r|blastoma", re.I)
"""What the name of a cancer is likely to contain: better one name too many than one unseen."""


def read_scin(root: Path, table: Path) -> list[Example]:
    """One example for each of the one to three photographs of a case; the label is the dermatologists' weightiest.

    Conditions of the same weight are a partial label. Cases that no dermatologist could grade have no label, and the label map
    does not hold every condition: both are left out and counted on standard error, the conditions by name.

    Raises:
        DataError: a file, column or image is missing, an id is doubled, or a label is not readable.
    """
    frame = joined(read_frame(table), table, table.with_name("scin_labels.csv"), on="case_id")
    images = ["image_1_path", "image_2_path", "image_3_path"]
    require_columns(table, frame, "weighted_skin_condition_label", *images)
    refuse_doubled(table, frame["case_id"])
    known = default_taxonomy().datasets["scin"]
    rows, ungraded, unmapped = [], 0, 0
    unknown: Counter[str] = Counter()
    for case in frame.to_dict("records"):
        conditions = _weightiest(table, case["case_id"], case["weighted_skin_condition_label"])
        if not conditions or not known.keys() >= set(conditions):
            ungraded += not conditions
            unmapped += bool(conditions)
            unknown.update(name for name in conditions if name not in known)
            continue
        facts = {
            "label": " | ".join(conditions),
            "case_id": case["case_id"],
            "sex": case.get("sex_at_birth", "").removeprefix("OTHER_OR_UNSPECIFIED").lower(),
            "age_group": _age_group(case.get("age_group", "")),
            "fitzpatrick": case.get("fitzpatrick_skin_type", "").removeprefix("NONE_SELECTED").removeprefix("FST"),
            "site": ", ".join(
                name.removeprefix("body_parts_").replace("_", " ")
                for name, value in case.items()
                if name.startswith("body_parts_") and value == "YES"
            ),
        }
        rows += [{"image": Path(case[name]).name, **facts} for name in images if case[name]]
    if ungraded or unmapped:
        err.print(
            f"scin: {ungraded} cases without a diagnosis and {unmapped} with one outside the label map are left out"
            f"{_named(unknown)}",
            soft_wrap=True,
        )
    frame = pd.DataFrame(rows, columns=["image", "label", "case_id", "sex", "age_group", "fitzpatrick", "site"])
    # Fifteen photographs of the release came in several times (its README, "Known issues").
    frame = frame.drop_duplicates("image")
    files = find_files(subfolders(table.parent, "images"), below=True)
    return make_examples(table, frame, files, "scin", Columns("image", "label", "case_id"))


def _named(unknown: Counter[str]) -> str:
    """Conditions and how many cases have them: all whose names suggest cancer, and the most frequent of the others."""
    suspect = [f"{name!r} ({n})" for name, n in unknown.most_common() if _CANCER.search(name)]
    others = [f"{name!r} ({n})" for name, n in unknown.most_common() if not _CANCER.search(name)]
    said = f"; cancer by name: {', '.join(suspect)}" if suspect else ""
    return said + (f"; {'others' if suspect else 'these'}: {name_few(others, 8)}" if others else "")


def _weightiest(table: Path, case: str, cell: str) -> list[str]:
    """The conditions of the largest weight in a cell such as `{'Eczema': 0.69, 'Psoriasis': 0.31}`, in alphabetical order."""
    try:
        weights = ast.literal_eval(cell or "{}")
        largest = max(weights.values(), default=0)
        return sorted(name for name, weight in weights.items() if weight == largest)
    except (ValueError, SyntaxError, AttributeError, TypeError) as error:
        raise DataError(f"{table}: the label of case {case!r} is not a mapping of conditions to weights: {cell!r}") from error


def _age_group(code: str) -> str:
    """`AGE_30_TO_39` -> `30-39`, `AGE_80_OR_ABOVE` -> `80+`."""
    return code.removeprefix("AGE_").replace("_TO_", "-").replace("_OR_ABOVE", "+").replace("UNKNOWN", "")
