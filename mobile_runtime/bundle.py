"""Bundles: load, check, and look inside. Nothing reaches an interpreter before every byte is accounted for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from mobile_runtime.errors import BundleError
from mobile_runtime.files import sha256, sha256_bytes
from mobile_runtime.manifest import SCHEMA_VERSION, Manifest, Variant

DEFAULT_BUNDLE = Path(__file__).parent / "data" / "bundle"
MANIFEST = "manifest.json"
SIGNATURE = "signature.json"
MAX_MANIFEST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Bundle:
    """A checked bundle folder.

    Attributes:
        path: the folder.
        manifest: its parsed manifest.
        id: name, version and the first 12 hex digits of the manifest's SHA-256, which covers every file.
    """

    path: Path
    manifest: Manifest
    id: str

    @classmethod
    def load(cls, path: str | Path | None = None, verify: bool = True) -> Bundle:
        """Load a bundle; None loads the one that ships with the runtime.

        Args:
            path: the bundle's folder.
            verify: check size and SHA-256 of every file now; the manifest and the file list are always checked, and a
                model's hash is checked again when it is opened.

        Raises:
            BundleError: naming the file and the reason.
        """
        folder = DEFAULT_BUNDLE if path is None else Path(path)
        if not folder.is_dir():
            raise BundleError(f"{folder}: no such bundle folder; make one with `make bundle`")
        file = folder / MANIFEST
        if not file.is_file() or file.is_symlink():
            raise BundleError(f"{folder}: no {MANIFEST}; this is not a bundle")
        if file.stat().st_size > MAX_MANIFEST_BYTES:
            raise BundleError(f"{file}: over {MAX_MANIFEST_BYTES} bytes; this is no manifest")
        data = file.read_bytes()
        manifest = _parse(file, data)
        bundle = cls(folder, manifest, f"{manifest.name}-{manifest.version}+{sha256_bytes(data)[:12]}")
        bundle._check_file_list()
        if verify:
            bundle.verify()
        return bundle

    @property
    def variants(self) -> dict[str, Variant]:
        """The exported forms by name, with precision, runtime and size."""
        return self.manifest.variants

    def variant(self, name: str | None = None) -> Variant:
        """One variant; None takes the default.

        Raises:
            BundleError: there is no such variant.
        """
        chosen = name or self.manifest.default_variant
        if chosen not in self.variants:
            raise BundleError(f"{self.path}: no variant {chosen!r}; there are {', '.join(self.variants)}")
        return self.variants[chosen]

    def model_bytes(self, variant: Variant) -> bytes:
        """The bytes of a single-file model, read once and checked against the manifest.

        Raises:
            BundleError: the file changed, or is not what its runtime calls a model.
        """
        data = (self.path / variant.path).read_bytes()
        entry = next(entry for entry in self.manifest.files if entry.path == variant.path)
        if sha256_bytes(data) != entry.sha256:
            raise BundleError(f"{self.path / variant.path}: SHA-256 differs from the manifest; get the bundle again")
        if variant.runtime == "litert":
            _check_flatbuffer(data, self.path / variant.path)
        return data

    def verify(self) -> None:
        """Check size and SHA-256 of every listed file.

        Raises:
            BundleError: naming the first file that differs.
        """
        for entry in self.manifest.files:
            file = self.path / entry.path
            if (size := file.stat().st_size) != entry.size_bytes:
                raise BundleError(f"{file}: {size} bytes, the manifest says {entry.size_bytes}; get the bundle again")
            if sha256(file) != entry.sha256:
                raise BundleError(f"{file}: SHA-256 differs from the manifest; get the bundle again")

    def _check_file_list(self) -> None:
        listed = {entry.path for entry in self.manifest.files}
        if len(listed) != len(self.manifest.files):
            raise BundleError(f"{self.path / MANIFEST}: a file is listed twice")
        for name in listed:
            parts = PurePosixPath(name)
            if parts.is_absolute() or ".." in parts.parts or "\\" in name or str(parts) != name:
                raise BundleError(f"{self.path / MANIFEST}: {name!r} is not a plain relative path")
        present = set()
        for file in sorted(self.path.rglob("*")):
            if file.is_symlink():
                raise BundleError(f"{file}: links are not allowed in a bundle")
            if file.is_file():
                present.add(file.relative_to(self.path).as_posix())
        present -= {MANIFEST, SIGNATURE}
        if missing := sorted(listed - present):
            raise BundleError(f"{self.path / missing[0]}: listed in the manifest but missing; get the bundle again")
        if extra := sorted(present - listed):
            raise BundleError(f"{self.path / extra[0]}: not listed in the manifest; remove it or get the bundle again")
        for variant in self.variants.values():
            if not any(name == variant.path or name.startswith(f"{variant.path}/") for name in listed):
                raise BundleError(f"{self.path / variant.path}: variant {variant.name} has no file in the manifest")


def _parse(file: Path, data: bytes) -> Manifest:
    try:
        document = json.loads(data)
        version = document["schema_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleError(f"{file}: not a manifest ({type(error).__name__}: {error})") from error
    if version != SCHEMA_VERSION:
        raise BundleError(
            f"{file}: schema version {version}, this runtime reads {SCHEMA_VERSION}; "
            + ("upgrade skintriage" if isinstance(version, int) and version > SCHEMA_VERSION else "rebuild the bundle")
        )
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "manifest"
        raise BundleError(f"{file}: {where}: {first['msg']}; get the bundle again") from error


def _check_flatbuffer(data: bytes, file: Path) -> None:
    root = int.from_bytes(data[:4], "little")
    if len(data) < 16 or data[4:8] != b"TFL3" or not 8 <= root <= len(data) - 4:
        raise BundleError(f"{file}: not a TFLite flatbuffer")
