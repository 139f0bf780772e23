"""YAML files that people write, checked key by key."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from mobile_runtime.errors import DataError
from mobile_runtime.yaml_text import load_yaml

_M = TypeVar("_M", bound=BaseModel)


def read_yaml(path: Path, schema: type[_M], **given: Any) -> _M:
    """Read a YAML mapping into a model; `given` holds values for keys that it may leave out.

    Raises:
        DataError: not readable, no mapping, or a key that is missing, misspelt or out of range (each one is named).
    """
    try:
        document = load_yaml(path.read_text(encoding="utf-8"))
        return schema.model_validate({**given, **(document or {})})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise DataError(f"{path}: {faults}") from error
    except (yaml.YAMLError, OSError, TypeError, ValueError) as error:
        raise DataError(f"{path}: not a YAML mapping ({' '.join(str(error).split())})") from error
