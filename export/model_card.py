"""The model card: written from the manifest and from stored results alone, so that it can say nothing that was not measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Optional

import typer
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from pydantic import BaseModel, ConfigDict, ValidationError

from export import statements
from export.errors import ExportError
from export.parity import own_limits
from export.rewriting import rewrite
from mobile_runtime.bundle import Bundle
from mobile_runtime.console import out, print_json
from mobile_runtime.files import sha256
from mobile_runtime.manifest import Estimate, FileEntry, Manifest
from mobile_runtime.options import JsonOption

CARD = "model_card.md"
FIGURES = {
    "auc_malignancy": "malignancy AUC",
    "auc_melanoma_vs_nevus": "melanoma against nevus AUC",
    "auc_macro": "macro AUC over classes",
    "balanced_accuracy": "balanced accuracy",
    "sensitivity_rule_out": "sensitivity at rule_out",
    "specificity_rule_out": "specificity at rule_out",
}


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Group(_Part):
    images: int
    malignant: int
    sensitivity: Estimate | None
    specificity: Estimate | None
    auc_malignancy: Estimate | None


class _Grouping(_Part):
    groups: dict[str, _Group]
    withheld: dict[str, int]


class _Diagnosis(_Part):
    malignant: bool | None
    referred: Estimate


class _Dataset(_Part):
    name: str
    images: int


class Subgroups(_Part):
    """What a card takes from a stored result of `python -m benchmarks decisions`."""

    kind: Literal["decisions"]
    command: str
    bundle: str
    variant: str
    operating_point: str
    threshold: float
    floor: int
    dataset: _Dataset
    subgroups: dict[str, _Grouping]
    diagnoses: dict[str, _Diagnosis]


def read_subgroups(path: Path, manifest: Manifest) -> Subgroups:
    """Read a stored result that was measured on this model.

    Raises:
        ExportError: missing, something else, or measured on another release or model: a threshold is fitted to the last digit,
            so that another one tells.
    """
    try:
        found = Subgroups.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ExportError(f"{path}: cannot be read ({error.strerror}); check --results") from error
    except ValidationError as error:
        raise ExportError(f"{path}: no stored result of `python -m benchmarks decisions`; make one with --out") from error
    variant = manifest.variants.get(found.variant)
    point = variant.operating_points.get(found.operating_point) if variant else None
    same = found.bundle.startswith(f"{manifest.name}-{manifest.version}+")
    if not same or point is None or point.threshold != found.threshold:
        raise ExportError(
            f"{path}: measured on {found.bundle}, {found.variant} at {found.operating_point}, which is another release or "
            f"model than {manifest.name} {manifest.version}; measure this bundle"
        )
    return found


def write_card(manifest: Manifest, results: Sequence[Subgroups] = ()) -> str:
    """Markdown of the model card, under the headings of the Model Card Toolkit.

    Args:
        manifest: the bundle's.
        results: figures by groups of patients.
    """
    environment = Environment(
        loader=PackageLoader("export"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=select_autoescape(),
    )
    environment.filters["interval"] = _interval
    template = environment.get_template("model_card.md.j2")
    default = manifest.variants[manifest.default_variant]
    provenance = manifest.provenance
    own = {name: found for name, variant in manifest.variants.items() if (found := own_limits(variant))}
    text = template.render(
        m=manifest,
        figures=FIGURES,
        default=default,
        results=results,
        few="too few",
        reason=statements.licence_reason(manifest.licence, provenance.datasets),
        small_images=statements.small_images(provenance),
        few_dark=statements.few_dark(provenance),
        own_limits=own,
    )
    return text.rstrip() + "\n"


def update_card(path: Path, results: Sequence[Path]) -> Bundle:
    """Write a finished bundle's card anew with stored results; see `rewrite`.

    Raises:
        BundleError: the bundle is not intact.
        ExportError: see `read_subgroups`.
    """

    def change(folder: Path, manifest: Manifest) -> list[FileEntry]:
        card = folder / CARD
        card.write_text(write_card(manifest, [read_subgroups(result, manifest) for result in results]), encoding="utf-8")
        changed = {"sha256": sha256(card), "size_bytes": card.stat().st_size}
        return [entry.model_copy(update=changed) if entry.path == CARD else entry for entry in manifest.files]

    return rewrite(path, change)


def card(
    folder: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle; its manifest and id change.")],
    results: Annotated[
        Optional[list[Path]],
        typer.Option(help="Result of `python -m benchmarks decisions --subgroup ... --out`; may be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a bundle's model card anew, with figures by groups of patients from stored results."""
    made = update_card(folder, results or [])
    if as_json:
        print_json({"id": made.id, "results": [str(path) for path in results or []]})
    else:
        out.print(f"{made.id}: wrote {folder / CARD}; sign the bundle again", highlight=False, soft_wrap=True)


def _interval(estimate: Estimate | None, digits: int = 3) -> str:
    if estimate is None:
        return ""
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits}f}-{estimate.high:.{digits}f}), n={estimate.n}"
