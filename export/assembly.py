"""Bundle assembly: weights and a release record in, one checked folder out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt

from export import statements
from export.coreml import Metadata
from export.deployed import aggregation, deploy
from export.errors import ExportError
from export.golden import write_golden
from export.mediapipe import described
from export.model_card import CARD, write_card
from export.outliers import OutlierModel, outliers_digest
from export.parity import Limits, check_parity
from export.record import ReleaseRecord
from export.tflite_metadata import fingerprint
from export.variants import ALL_VARIANTS, VariantWriter, describe
from mobile_runtime import synthetic
from mobile_runtime.assessment import assessment_schema
from mobile_runtime.bundle import MANIFEST, Bundle
from mobile_runtime.console import steps
from mobile_runtime.ending import exit_if_ended
from mobile_runtime.files import build_folder, is_replaceable, sha256
from mobile_runtime.manifest import ClassSpec, FileEntry, InputSpec, Manifest, ScoreSpec, Variant, manifest_schema
from mobile_runtime.resample import resample
from mobile_runtime.taxonomy import Taxonomy, default_taxonomy
from train.checkpoint import load_checkpoint

PARITY_IMAGES = 70
SCHEMAS = {"manifest.schema.json": manifest_schema, "assessment.schema.json": assessment_schema}
INTENDED_USE = (
    "Research and prototyping of skin-lesion triage by people who know its limits. "
    "Not a medical device and not a diagnosis; not for deciding on anybody's care."
)


def parity_images(size: int) -> npt.NDArray[np.uint8]:
    """Synthetic lesions for parity checks, which need no real image; uint8 [70, S, S, 3]."""
    labels = synthetic.LABELS
    return np.stack([resample(synthetic.lesion(labels[i % len(labels)], 900 + i, 192), size) for i in range(PARITY_IMAGES)])


def short_labels(classes: Sequence[str], taxonomy: Taxonomy) -> dict[str, str]:
    """Node -> HAM10000's abbreviation where it has one, else the node's own id."""
    abbreviations = {nodes[0]: label for label, nodes in taxonomy.datasets["ham10000"].items()}
    return {node: abbreviations.get(node, node) for node in classes}


def coreml_metadata(version: str, licence: str, labels: Sequence[str], scores: Iterable[str]) -> Metadata:
    """What Xcode shows of the Core ML variants."""
    description = f"Skin-lesion triage. {INTENDED_USE} Input: RGB image."
    return Metadata(description, licence, version, tuple(labels), scores=tuple(scores))


def check_out(out: Path) -> None:
    """Refuse to put a bundle where something else is.

    Raises:
        ExportError: it is there.
    """
    if not is_replaceable(out, MANIFEST):
        raise ExportError(f"{out}: there is something else than a bundle; give a new folder, or remove it yourself")


def assemble(
    checkpoint: Path,
    record: ReleaseRecord,
    outliers: OutlierModel,
    int8: bytes,
    out: Path,
    *,
    base: bytes | None = None,
    only: Sequence[str] | None = None,
    parity_limits: dict[str, Limits] | None = None,
) -> Bundle:
    """Write a bundle; nothing is left behind when a variant is off.

    Args:
        checkpoint: weights; their hash must be the record's.
        record: what was fitted for them.
        outliers: the fitted outlier score.
        int8: the static int8 graph that was made with the record.
        out: the bundle's folder; a bundle that is there is replaced.
        base: the float32 TFLite graph at temperature 1; None converts the weights.
        only: names of the variants to write; None writes all that the record knows.
        parity_limits: None takes `export.parity.PARITY_LIMITS`.

    Raises:
        ExportError: the record belongs to other weights or another outlier score, an unknown variant, a variant that differs
            from PyTorch, or `out` is no bundle.
    """
    out = out.absolute()  # `.` is another folder once it is replaced
    check_out(out)
    if sha256(checkpoint) != record.provenance.checkpoint_sha256:
        raise ExportError(f"{checkpoint} is not the checkpoint that the release record was made for")
    if fingerprint(int8) != record.int8_sha256:
        raise ExportError("the static int8 model is not the one that the release record was made with")
    if record.outliers_sha256 not in (None, outliers_digest(outliers)):
        raise ExportError("outliers.safetensors is not the one that the release record was made with; take both of one release")
    names = list(only or [name for name in ALL_VARIANTS if name in record.variants])
    if unknown := [name for name in names if name not in record.variants]:
        raise ExportError(f"no variant {', '.join(unknown)}; there are {', '.join(record.variants)}")
    taxonomy = default_taxonomy()
    network, recipe = load_checkpoint(checkpoint)
    deployed = deploy(network, recipe.classes, outliers, taxonomy)
    size = recipe.input_size
    samples = parity_images(size)
    labels = short_labels(recipe.classes, taxonomy)
    writer = VariantWriter(
        deployed,
        size,
        coreml_metadata(
            record.version,
            _licence(record),
            [labels[node] for node in recipe.classes],
            aggregation(recipe.classes, taxonomy),
        ),
        int8=int8,
        base=base,
        ranges=record.ranges,
    )
    with build_folder(out) as folder, steps(len(names)) as begin:
        models = folder / "models"
        models.mkdir()
        variants: dict[str, Variant] = {}
        for name in names:
            begin(f"write {name}")
            fitted = record.variants[name]
            path = writer.write(name, fitted.temperature, models)
            parity = check_parity(name, path, deployed, fitted.temperature, samples, fitted.abstention.limit, parity_limits)
            files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
            variants[name] = describe(
                name,
                path.relative_to(folder).as_posix(),
                sum(file.stat().st_size for file in files),
                fitted.temperature,
                fitted.operating_points,
                abstention=fitted.abstention,
                metrics=fitted.metrics,
                parity=parity.to_manifest(),
            )
            exit_if_ended()
        _write_documents(folder, record, variants, recipe.classes, size, taxonomy)
    return Bundle.load(out)


def _write_documents(
    folder: Path,
    record: ReleaseRecord,
    variants: dict[str, Variant],
    classes: Sequence[str],
    size: int,
    taxonomy: Taxonomy,
) -> None:
    labels = short_labels(classes, taxonomy)
    roles = {CARD: "card", "LICENCE-WEIGHTS.txt": "licence", **dict.fromkeys(SCHEMAS, "schema")}
    default = record.default_variant if record.default_variant in variants else next(iter(variants))
    versions = {name: version(name) for name in ("torch", "litert-torch", "ai-edge-quantizer", "coremltools", "onnx")}

    def manifest(files: list[FileEntry]) -> Manifest:
        return Manifest(
            name=record.name,
            version=record.version,
            intended_use=INTENDED_USE,
            limitations=statements.limitations(record.provenance, len(classes)),
            licence=_licence(record),
            input=InputSpec(size=size),
            classes=[ClassSpec(node=node, label=labels[node], name=taxonomy.names[node]) for node in classes],
            scores=[
                ScoreSpec(name=name, weights=[1 if weight else 0 for weight in weights])
                for name, weights in aggregation(classes, taxonomy).items()
            ],
            default_variant=default,
            default_operating_point=record.default_operating_point,
            quality=record.quality,
            variants=variants,
            provenance=record.provenance.model_copy(update={"versions": versions}),
            files=files,
        )

    placeholder = FileEntry(path=CARD, sha256="0" * 64, size_bytes=0, role="card")
    draft = manifest([placeholder])
    for name, variant in variants.items():
        if variant.runtime == "litert":
            path = folder / variant.path
            path.write_bytes(described(path.read_bytes(), draft, variant))
            variants[name] = variant.model_copy(update={"size_bytes": path.stat().st_size})
    (folder / CARD).write_text(write_card(manifest([placeholder])), encoding="utf-8")
    (folder / "LICENCE-WEIGHTS.txt").write_text(
        statements.licence_text(_licence(record), record.provenance.datasets), encoding="utf-8"
    )
    for name, schema in SCHEMAS.items():
        (folder / name).write_text(json.dumps(schema(), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    entries = []
    for path in sorted(file for file in folder.rglob("*") if file.is_file()):
        name = path.relative_to(folder).as_posix()
        role = roles.get(name, "model")
        entries.append(
            FileEntry.model_validate({"path": name, "sha256": sha256(path), "size_bytes": path.stat().st_size, "role": role})
        )
    entries += write_golden(folder, manifest(entries))
    (folder / MANIFEST).write_text(manifest(entries).to_json(), encoding="utf-8")


def _licence(record: ReleaseRecord) -> str:
    return record.licence or statements.licence(record.provenance.datasets)
