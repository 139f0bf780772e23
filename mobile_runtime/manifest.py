"""The bundle's manifest: everything an app needs to give the same answer as Python, as data."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from mobile_runtime.errors import DataError
from mobile_runtime.image_names import name_parts, packed_among

SCHEMA_VERSION = 9
NAME_PATTERN = "^[a-z0-9][a-z0-9._-]*$"
Runtime = Literal["litert", "onnx", "coreml"]
_ROUNDING = 1e-9


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Estimate(_Part):
    """A measured value with its 95 % interval and the number of samples it rests on."""

    value: float
    low: float
    high: float
    n: int = Field(ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Estimate:
        if self.low > self.high:
            raise ValueError("the lower end is above the upper")
        if not self.low - _ROUNDING <= self.value <= self.high + _ROUNDING:
            raise ValueError(f"{self.value:g} is not within its interval, {self.low:g} to {self.high:g}")
        return self


def _share(share: Estimate) -> Estimate:
    if share.low < 0 or share.high > 1:
        raise ValueError(f"{share.value:g} ({share.low:g} to {share.high:g}) is no share of 0 to 1")
    if not share.n and (share.low, share.high) != (0, 1):
        raise ValueError(f"{share.value:g} ({share.low:g} to {share.high:g}) rests on nothing")
    return share


Share = Annotated[Estimate, AfterValidator(_share)]
"""A measured share, 0..1: who is shown 0.99 takes it as 99 of 100. Of nothing, it is anything from 0 to 1."""


class FileEntry(_Part):
    """One file of the closed list; `path` is relative, with forward slashes."""

    path: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size_bytes: int = Field(ge=0)
    role: Literal["model", "golden", "card", "licence", "schema", "metadata"]


class InputSpec(_Part):
    """The model's one input: uint8 RGB [1, size, size, 3], raw 0..255; scaling is inside the graph."""

    size: int = Field(ge=32, le=1024)
    dtype: Literal["uint8"] = "uint8"
    layout: Literal["NHWC"] = "NHWC"
    colour: Literal["RGB"] = "RGB"
    resample: Literal["pillow-bilinear-antialias"] = "pillow-bilinear-antialias"


class ClassSpec(_Part):
    """One output: its taxonomy node, short label and name for people."""

    node: str
    label: str
    name: str


class ScoreSpec(_Part):
    """One column of the graph's `scores` output: a sum over classes. The order of the list is that of the columns."""

    name: str
    weights: list[Literal[0, 1]]


class OperatingPoint(_Part):
    """A locked decision threshold: refer when malignancy >= threshold."""

    threshold: float = Field(ge=0, le=1)
    aim: str
    sensitivity: Share
    specificity: Share
    dataset: str


class QualityLimits(_Part):
    """Limits of the quality figures of `mobile_runtime.quality`; outside them an image is to be retaken.

    Of `least_sharpness_min` and `evenness_min`, an image may be below one.
    """

    sharpness_min: float
    least_sharpness_min: float
    evenness_min: float
    detail_min: float
    echo_max: float
    brightness_min: float
    brightness_max: float
    clipped_max: float
    highlight_max: float
    glare_max: float
    contrast_min: float
    colour_min: float
    warmth_min: float = Field(ge=-1, le=1)
    region_px_min: int
    dataset: str
    false_retakes: Share | None = None


class AbstentionLimit(_Part):
    """Abstain when the graph's outlier score is above the limit.

    Attributes:
        limit: fitted on validation images of the variant.
        aim: the share of validation images it was to refuse.
        refused: the share of test images it refuses.
        dataset: where `refused` was measured.
    """

    limit: float
    aim: float = Field(gt=0, lt=1)
    refused: Share
    dataset: str


class Variant(_Part):
    """One exported form of the model.

    Attributes:
        path: file or, for a .mlpackage, folder inside the bundle.
        outputs: role -> name of the graph's output tensor.
        temperature: softmax temperature, already inside the graph.
        metrics: figures measured on held-out data, by data set and name.
        parity: drift against the PyTorch network at export: largest and mean probability difference.
    """

    name: str
    runtime: Runtime
    precision: str
    path: str
    size_bytes: int = Field(ge=1)
    input_name: str
    outputs: dict[Literal["probabilities", "scores", "outlier"], str]
    temperature: float = Field(gt=0)
    operating_points: dict[str, OperatingPoint]
    abstention: AbstentionLimit | None
    metrics: dict[str, dict[str, Estimate]] = {}
    parity: dict[str, float] = {}


class Provenance(_Part):
    """Where the weights come from.

    Attributes:
        calibration_ids: `dataset:image_id` of the images that fixed activation ranges.
        seen_images: of all images that trained the network, fixed ranges or chose thresholds, as `image_names.pack_names` packs
            their names; "" where that is not known.
        guessed_classes: taxonomy nodes of the classes that no training image was labelled as.
    """

    datasets: dict[str, int]
    split_sha256: str
    recipe: dict[str, Any]
    calibration_ids: list[str]
    checkpoint_sha256: str
    seen_images: str = Field(default="", pattern="^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$")
    guessed_classes: list[str] = []
    versions: dict[str, str] = {}

    def calibrated_on(self, dataset: str, image_ids: Iterable[str]) -> list[str]:
        """Those of some images that fixed the variants' activation ranges: figures on them flatter the variants.

        Args:
            dataset: name of the images' label map.
            image_ids: file names or paths, with or without extension.
        """
        used: dict[str, list[tuple[str, ...]]] = {}
        for key in self.calibration_ids:
            if ":" in key:
                *folders, name = name_parts(*key.split(":", 1))
                used.setdefault(name, []).append(tuple(folders))

        def is_used(image_id: str) -> bool:
            *folders, name = name_parts(dataset, image_id)
            known = used.get(name, [])
            if not folders:  # a name that recurs from folder to folder says nothing alone
                return len(known) == 1 or () in known
            # One side may name more of the folders than the other: images/a.jpg is a.jpg.
            return any(all(x == y for x, y in zip(folders[::-1], one[::-1], strict=False)) for one in known)

        return [name for name in image_ids if is_used(name)]

    def seen(self, dataset: str, image_ids: Iterable[str]) -> list[str] | None:
        """Those of some images that made this bundle: figures on them flatter it. None where that is not known.

        Args:
            dataset, image_ids: as in `calibrated_on`. Public data sets that the bundle was made from are known by their images'
                names under any label map.
        """
        if not self.seen_images:
            return None
        images = list(image_ids)
        found = {name for known in {dataset, *self.datasets} for name in packed_among(self.seen_images, known, images)}
        return [name for name in images if name in found]

    def refuse_calibration_images(self, dataset: str, image_ids: Iterable[str]) -> None:
        """Stop an evaluation on images that fixed the variants' activation ranges.

        Args:
            dataset, image_ids: as in `calibrated_on`.

        Raises:
            DataError: some of them did.
        """
        if found := self.calibrated_on(dataset, image_ids):
            raise DataError(
                f"{len(found)} of the labelled images calibrated this bundle, first {found[0]!r}; "
                "take their rows out of --labels, the test split has none of them"
            )


class Manifest(_Part):
    """The contract between training and apps."""

    schema_version: int = SCHEMA_VERSION
    name: str = Field(pattern=NAME_PATTERN)
    version: str
    intended_use: str
    limitations: list[str]
    licence: str
    input: InputSpec
    classes: list[ClassSpec] = Field(min_length=2)
    scores: list[ScoreSpec] = Field(min_length=1)
    default_variant: str
    default_operating_point: str
    quality: QualityLimits
    variants: dict[str, Variant] = Field(min_length=1)
    provenance: Provenance
    files: list[FileEntry] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        if self.default_variant not in self.variants:
            raise ValueError(f"default_variant {self.default_variant!r} is not among the variants")
        if "malignancy" not in [score.name for score in self.scores]:
            raise ValueError("scores has no malignancy")
        for what, names in (
            ("class label", [spec.label for spec in self.classes]),
            ("class", [spec.node for spec in self.classes]),
            ("score", [score.name for score in self.scores]),
        ):
            if twice := sorted(name for name, count in Counter(names).items() if count > 1):
                raise ValueError(f"{what} {twice[0]!r} is there twice")
        for score in self.scores:
            if len(score.weights) != len(self.classes):
                raise ValueError(f"score {score.name!r} has {len(score.weights)} weights for {len(self.classes)} classes")
        for name, variant in self.variants.items():
            needed = ["probabilities", "scores", *(["outlier"] if variant.abstention else [])]
            if lacking := [role for role in needed if role not in variant.outputs]:
                raise ValueError(f"variant {name!r} has no output {' nor '.join(lacking)}, which its verdicts need")
            if name != variant.name:
                raise ValueError(f"variant {name!r} calls itself {variant.name!r}")
            if self.default_operating_point not in variant.operating_points:
                raise ValueError(f"variant {name!r} lacks operating point {self.default_operating_point!r}")
        return self

    def to_json(self) -> str:
        """Canonical text: sorted keys, two-space indent, final newline."""
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def manifest_schema() -> dict[str, Any]:
    """The published JSON Schema of a manifest."""
    return Manifest.model_json_schema()
