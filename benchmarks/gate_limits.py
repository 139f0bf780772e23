"""The limits that a release must keep, as a file of them is written."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from benchmarks.results import Part
from mobile_runtime.errors import DataError
from mobile_runtime.yaml_text import load_yaml

DEFAULT_LIMITS = Path(__file__).parent / "limits.yaml"
_RULES = ("at_least", "at_most", "may_fall_by", "may_rise_by")


class Limit(Part):
    """One limit on all figures whose names fit a pattern.

    Attributes:
        figure: pattern with * and ?, over the names of `figure_list`.
        bound: which end of the 95 % interval an absolute limit is on; the value itself is compared with a baseline's.
        may_fall_by, may_rise_by: largest change against the baseline, >= 0.
        required: whether it fails where no result has such a figure, nor the baseline; a figure of the baseline must be there.
    """

    figure: str = Field(min_length=1)
    bound: Literal["value", "low", "high"] = "value"
    at_least: float | None = Field(default=None, strict=True, allow_inf_nan=False)
    at_most: float | None = Field(default=None, strict=True, allow_inf_nan=False)
    may_fall_by: float | None = Field(default=None, strict=True, ge=0, allow_inf_nan=False)
    may_rise_by: float | None = Field(default=None, strict=True, ge=0, allow_inf_nan=False)
    required: bool = True
    why: str = ""

    @model_validator(mode="after")
    def _one_rule(self) -> Limit:
        given = [name for name in _RULES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(_RULES)}, not {', '.join(given) or 'none'}")
        if self.relative and self.bound != "value":
            raise ValueError(f"{given[0]} compares values; leave out bound: {self.bound}")
        return self

    @property
    def relative(self) -> bool:
        """Whether it is against a baseline."""
        return self.at_least is None and self.at_most is None


class Limits(Part):
    """The content of a limits file."""

    schema_version: Literal[1]
    limits: list[Limit] = Field(min_length=1)


def read_limits(path: Path = DEFAULT_LIMITS) -> Limits:
    """A limits file.

    Raises:
        DataError: it is missing, no YAML, or not of that shape.
    """
    try:
        return Limits.model_validate(load_yaml(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check --limits") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not YAML ({' '.join(str(error).split())}); mend it") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise DataError(f"{path}: {where}: {first['msg']}; see {DEFAULT_LIMITS.name} for an example") from error
