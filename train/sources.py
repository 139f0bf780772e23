"""The registry of public data sets: where their files are, under which terms, and what is known of them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from mobile_runtime.errors import DataError
from mobile_runtime.yaml_text import load_yaml

SOURCES_PATH = Path(__file__).with_name("sources.yaml")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_inside(name: str) -> bool:
    """Whether a relative path stays below the folder that it is joined to."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\\" not in name and ":" not in name


def _inside(name: str) -> str:
    if not is_inside(name):
        raise ValueError(f"{name!r} leaves the folder of the data set")
    return name


def _encrypted(url: str) -> str:
    parts = urlsplit(url)
    # Without a stated checksum nothing else vouches for the bytes.
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise ValueError(f"{url!r} is not https")
    return url


_Name = Annotated[str, AfterValidator(_inside)]
_Url = Annotated[str, AfterValidator(_encrypted)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceFile(_Strict):
    """One file of a release.

    Attributes:
        name: path below the data set's folder.
        size_bytes: as the publisher states it; None where it does not.
        md5, sha256: the publisher's checksum in lower-case hexadecimal digits; None where it states none.
        unpack: folder for the content of this ZIP archive.
    """

    name: _Name
    url: _Url
    size_bytes: int | None = Field(None, ge=0)
    md5: str | None = Field(None, pattern="^[0-9a-f]{32}$")
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    unpack: _Name | None = None


class ListedFiles(_Strict):
    """Files whose paths stand in columns of a table of the release: their address is `base_url` and the path."""

    table: _Name
    columns: tuple[str, ...]
    base_url: _Url


class Source(_Strict):
    """A public data set.

    Attributes:
        terms: the licence in a line; `licence_url` has its text.
        note: what is left to do after the download.
        register_at: where to ask for the data set, if it is given to registered persons only.
    """

    title: str
    page: str
    licence: str
    licence_url: str
    terms: str
    note: str = ""
    register_at: str | None = Field(None, alias="register")
    files: tuple[SourceFile, ...] = ()
    listed: ListedFiles | None = None


def read_sources(path: Path = SOURCES_PATH) -> dict[str, Source]:
    """Data set -> where it is.

    Raises:
        DataError: the file is missing, or not a registry.
    """
    try:
        return TypeAdapter(dict[str, Source]).validate_python(load_yaml(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"{path}: not a readable registry of data sets ({' '.join(str(error).split())})") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise DataError(f"{path}: {faults}") from error
