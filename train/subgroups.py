"""Subgroups of patients and pictures, from the columns of the public releases."""

from __future__ import annotations

from collections.abc import Sequence

from train.datasets import Example

COLUMNS = {
    "sex": ("sex", "gender"),
    "age": ("age", "age_approximate", "age_approx"),
    "age group": ("age_group",),
    "site": ("localization", "region", "anatom_site_general", "anatom_site_general_challenge", "location", "site"),
    "fitzpatrick": ("fitspatrick", "fitzpatrick", "fitzpatrick_scale", "skin_tone"),
}
"""Attribute -> the columns that hold it in one release or another."""

DERMOSCOPY = frozenset({"ham10000", "isic2017", "isic2018", "isic2019", "isic2020", "derm7pt", "ph2"})
AGE_BANDS = (30, 45, 60, 75)


def acquisition(example: Example) -> str:
    """`dermoscopy`, `photograph` or `unknown`: what the image or its `dataset.yaml` says, else what its release consists of."""
    return example.attributes.get("acquisition") or ("dermoscopy" if example.dataset in DERMOSCOPY else "photograph")


def subgroup_values(examples: Sequence[Example]) -> dict[str, list[str]]:
    """Attribute -> value of each example, empty where unknown; attributes that no example has are left out."""
    values = {name: [_value(example, name) for example in examples] for name in COLUMNS}
    values["acquisition"] = [acquisition(example) for example in examples]
    values["data set"] = [example.dataset for example in examples]
    return {name: column for name, column in values.items() if any(column)}


def other_values(examples: Sequence[Example]) -> dict[str, list[str]]:
    """Column -> value of each example: the columns that `subgroup_values` makes nothing of, and `age_years` as written."""
    read = {column for columns in COLUMNS.values() for column in columns}
    names = dict.fromkeys(name for example in examples for name in example.attributes if name not in read)
    found = {name: [example.attributes.get(name, "") for example in examples] for name in names}
    if set(found.get("acquisition", ())) == {"unknown"}:
        del found["acquisition"]
    years = [next((e.attributes[c] for c in COLUMNS["age"] if age_band(e.attributes.get(c, ""))), "") for e in examples]
    return found | ({"age_years": years} if any(years) else {})


def _value(example: Example, attribute: str) -> str:
    raw = next((example.attributes[c] for c in COLUMNS[attribute] if c in example.attributes), "").strip().lower()
    if attribute == "age":
        return age_band(raw)
    if attribute == "fitzpatrick":
        return raw.removesuffix(".0") if raw[:1].isdigit() else ""  # -1 stands for unknown in one release
    return "" if raw in ("unknown", "nan", "na") else raw


def age_band(years: str) -> str:
    """The band that an age in years falls into, such as `30-44`; empty for what is no age."""
    try:
        age = float(years)
    except ValueError:
        return ""
    if not 0 <= age < 130:
        return ""
    starts = [0, *AGE_BANDS]
    index = sum(age >= start for start in AGE_BANDS)
    return f"{starts[index]}-{AGE_BANDS[index] - 1}" if index < len(AGE_BANDS) else f"{starts[index]}+"
