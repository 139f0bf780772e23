"""Bundles: load, check, and look inside. Nothing reaches an interpreter before every byte is accounted for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mobile_runtime.errors import BundleError, TaxonomyError
from mobile_runtime.files import sha256, sha256_bytes
from mobile_runtime.flatbuffer import check_structure
from mobile_runtime.flatbuffer_walk import StructureError
from mobile_runtime.manifest import FileEntry, Manifest, Variant
from mobile_runtime.manifest_file import parse_manifest
from mobile_runtime.signing import signed_digests
from mobile_runtime.taxonomy import default_taxonomy

DEFAULT_BUNDLE = Path(__file__).parent / "data" / "bundle"
SHIPPED_BUNDLES = {"full": DEFAULT_BUNDLE, "half": DEFAULT_BUNDLE.with_name("half")}
"""Bundles that ship with the runtime, by the names that stand for them."""
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
    def load(cls, path: str | Path | None = None, verify: bool = True, key: str | Path | None = None) -> Bundle:
        """Load a bundle; None loads the one that ships with the runtime.

        Args:
            path: the bundle's folder. The strings (not paths) `full` and `half` are bundles that ship with the runtime; a
                folder of such a name is `./half`.
            verify: check size and SHA-256 of every file now; the manifest and the file list are always checked, and a
                model's hash is checked again when it is opened.
            key: the signer's public key, PEM. The signature is then checked too, and every file, whatever `verify` says.
                Without a key a signature is not looked at.

        Raises:
            BundleError: naming the file and the reason.
            MissingExtraError: a key is given and extra `sign` is not installed.
        """
        folder, file, data = _read_manifest(path)
        signed = None if key is None else signed_digests(folder / SIGNATURE, Path(key))
        if signed is not None and signed.get(MANIFEST) != sha256_bytes(data):
            raise BundleError(f"{file}: not the manifest that was signed; get the bundle again")
        bundle = cls._of(folder, file, data)
        bundle._check_file_list()
        if signed is not None:
            bundle._check_signed(signed)
        if verify or signed is not None:
            bundle.verify()
        return bundle

    @classmethod
    def read(cls, path: str | Path | None = None) -> Bundle:
        """The manifest alone, for tools that report on each variant; everything else takes `load`.

        Files are still checked against the manifest by `model_bytes` and `model_folder`.

        Raises:
            BundleError: no manifest, or one that is no good.
        """
        return cls._of(*_read_manifest(path))

    @classmethod
    def _of(cls, folder: Path, file: Path, data: bytes) -> Bundle:
        manifest = parse_manifest(file, data)
        bundle = cls(folder, manifest, f"{manifest.name}-{manifest.version}+{sha256_bytes(data)[:12]}")
        bundle._check_names()
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
        chosen = self.manifest.default_variant if name is None else name
        if not isinstance(chosen, str) or chosen not in self.variants:
            more = "; `make bundle` writes the others to dist/bundle" if self.path == DEFAULT_BUNDLE else ""
            raise BundleError(f"{self.path}: no variant {chosen!r}; there are {', '.join(self.variants)}{more}")
        return self.variants[chosen]

    def model_bytes(self, variant: Variant) -> bytes:
        """The bytes of a single-file model, read once and checked against the manifest.

        Raises:
            BundleError: the file changed, or is not what its runtime calls a model.
        """
        file = self.path / variant.path
        entry = next((entry for entry in self.manifest.files if entry.path == variant.path), None)
        if entry is None:
            raise BundleError(f"{file}: a folder, or not in the manifest; variant {variant.name} is not a single file")
        try:
            data = file.read_bytes()
        except OSError as error:
            raise BundleError(f"{file}: cannot be read ({error.strerror}); get the bundle again") from error
        if sha256_bytes(data) != entry.sha256:
            raise BundleError(f"{file}: SHA-256 differs from the manifest; get the bundle again")
        if variant.runtime == "litert":
            try:
                check_structure(data)
            except StructureError as error:
                raise BundleError(f"{file}: not a model to be trusted: {error}; get the bundle again") from error
        return data

    def model_folder(self, variant: Variant) -> Path:
        """The path of a model that is a folder, every file in it checked against the manifest.

        Raises:
            BundleError: a file changed, or there is none.
        """
        entries = [entry for entry in self.manifest.files if entry.path.startswith(f"{variant.path}/")]
        if not entries:
            raise BundleError(f"{self.path / variant.path}: variant {variant.name} has no file in the manifest")
        self._check_files(entries)
        return self.path / variant.path

    def verify(self) -> None:
        """Check size and SHA-256 of every listed file.

        Raises:
            BundleError: naming the first file that differs.
        """
        self._check_files(self.manifest.files)

    def _check_files(self, entries: Iterable[FileEntry]) -> None:
        for entry in entries:
            file = self.path / entry.path
            try:
                # The size comes first, so that a huge file is not read.
                if (size := file.stat().st_size) != entry.size_bytes:
                    raise BundleError(f"{file}: {size} bytes, the manifest says {entry.size_bytes}; get the bundle again")
                found = sha256(file)
            except OSError as error:
                raise BundleError(f"{file}: cannot be read ({error.strerror}); get the bundle again") from error
            if found != entry.sha256:
                raise BundleError(f"{file}: SHA-256 differs from the manifest; get the bundle again")

    def _check_signed(self, signed: dict[str, str]) -> None:
        listed = {entry.path: entry.sha256 for entry in self.manifest.files}
        listed[MANIFEST] = signed[MANIFEST]
        for name in sorted(listed.keys() | signed.keys()):
            if listed.get(name) != signed.get(name):
                raise BundleError(f"{self.path / name}: not as it was signed; get the bundle again")

    def _check_names(self) -> None:
        listed = {entry.path for entry in self.manifest.files}
        if len(listed) != len(self.manifest.files):
            raise BundleError(f"{self.path / MANIFEST}: a file is listed twice")
        for name in listed:
            parts = PurePosixPath(name)
            if parts.is_absolute() or ".." in parts.parts or "\\" in name or str(parts) != name:
                raise BundleError(f"{self.path / MANIFEST}: {name!r} is not a plain relative path")

    def _check_file_list(self) -> None:
        listed = {entry.path for entry in self.manifest.files}
        try:
            present = set(_files(self.path)) - {MANIFEST, SIGNATURE}
        except OSError as error:
            raise BundleError(f"{error.filename}: cannot be read ({error.strerror}); check its permissions") from error
        if missing := sorted(listed - present):
            raise BundleError(f"{self.path / missing[0]}: listed in the manifest but missing; get the bundle again")
        if extra := sorted(present - listed):
            raise BundleError(f"{self.path / extra[0]}: not listed in the manifest; remove it or get the bundle again")
        for variant in self.variants.values():
            if not any(name == variant.path or name.startswith(f"{variant.path}/") for name in listed):
                raise BundleError(f"{self.path / variant.path}: variant {variant.name} has no file in the manifest")


def wrong_scores(manifest: Manifest) -> str | None:
    """Why the manifest's scores are not the taxonomy's; None if they are. Engines are held to the manifest's sums alone."""
    nodes = [spec.node for spec in manifest.classes]
    for score in manifest.scores:
        try:
            wanted = [int(weight) for weight in default_taxonomy().aggregate_vector(score.name, nodes)]
        except TaxonomyError as error:
            return f"the manifest's scores: {error}; rebuild the bundle"
        if score.weights != wanted:
            return f"{score.name} sums classes {score.weights}, by the taxonomy it is {wanted}; rebuild the bundle"
    return None


def _read_manifest(path: str | Path | None) -> tuple[Path, Path, bytes]:
    """Folder, manifest file and its bytes."""
    if not isinstance(path, str | Path | None):
        raise BundleError(f"a bundle is the path of its folder, `full` or `half`, as str or Path, not {type(path).__name__}")
    if path == "":
        raise BundleError("'' is no bundle's folder; give a path, `full` or `half`")
    name = "full" if path is None else path
    folder = SHIPPED_BUNDLES.get(name, Path(name)) if isinstance(name, str) else name
    try:
        found = folder.is_dir()
    except (OSError, ValueError) as error:
        raise BundleError(f"{folder}: cannot be a bundle's folder ({error}); check the path") from error
    if not found:
        raise BundleError(f"{folder}: no such bundle folder; make one with `make bundle`")
    file = folder / MANIFEST
    if not file.is_file() or file.is_symlink():
        raise BundleError(f"{folder}: no {MANIFEST}; this is not a bundle")
    if file.stat().st_size > MAX_MANIFEST_BYTES:
        raise BundleError(f"{file}: over {MAX_MANIFEST_BYTES} bytes; this is no manifest")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise BundleError(f"{file}: cannot be read ({error.strerror}); check its permissions") from error
    return folder, file, data


def _files(root: Path) -> Iterator[str]:
    """Paths of the files in a folder, relative to it; nothing but files and folders that hold some may be there."""
    folders = [root]
    while folders:
        folder = folders.pop()
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda found: found.name)
        if not entries and folder != root:
            raise BundleError(f"{folder}: an empty folder, which no bundle has; remove it")
        for entry in entries:
            if entry.is_symlink():
                raise BundleError(f"{entry.path}: links are not allowed in a bundle")
            if entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                yield Path(entry.path).relative_to(root).as_posix()
            else:
                raise BundleError(f"{entry.path}: neither a file nor a folder; remove it")
