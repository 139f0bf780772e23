"""Release records: what was fitted on data, apart from the weights, so that a bundle can be rebuilt without any image."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mobile_runtime.errors import DataError
from mobile_runtime.files import write_atomically
from mobile_runtime.manifest import NAME_PATTERN, AbstentionLimit, Estimate, OperatingPoint, Provenance, QualityLimits


class VariantRecord(BaseModel):
    """What was fitted and measured for one variant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperature: float
    operating_points: dict[str, OperatingPoint]
    abstention: AbstentionLimit
    metrics: dict[str, dict[str, Estimate]]


class ReleaseRecord(BaseModel):
    """Fitted on validation images, measured on test images; see `export.release`.

    Attributes:
        int8_sha256: fingerprint of the static int8 graph, see `export.tflite_metadata.fingerprint`.
        outliers_sha256: of outliers.safetensors; None in a record from before there was one.
        licence: of the weights, as their maker states it; None where it follows from the data sets.
        ranges: runtime -> value of its graph -> smallest and largest value on the calibration images.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=NAME_PATTERN)
    version: str
    default_variant: str
    default_operating_point: str
    int8_sha256: str
    outliers_sha256: str | None = None
    quality: QualityLimits
    variants: dict[str, VariantRecord]
    provenance: Provenance
    licence: str | None = None
    ranges: dict[str, dict[str, tuple[float, float]]] = {}


def save_record(record: ReleaseRecord, path: Path) -> Path:
    """Write a record as JSON."""
    with write_atomically(path) as temporary:
        temporary.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return path


def load_record(path: Path) -> ReleaseRecord:
    """Read a record.

    Raises:
        DataError: missing or not a record.
    """
    try:
        return ReleaseRecord.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: no such release record; make one with `python -m export bundle`") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        said = f"{where}: {first['msg']}"
        raise DataError(f"{path}: not a release record ({said}); make one with `python -m export bundle`") from error
