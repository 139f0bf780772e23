"""App kits: one folder for an app developer with models, manifest, golden vectors, typed code and a conformance test.

Sources of a platform are template folders under `kit_sources/`. A file whose name ends in `.j2` is rendered, with `c` (the
runtime's constants), `m` (the manifest) and `kit`; every other file is copied. Code in them holds no number of the runtime or
the model: those come from the manifest when the app runs, or from the one generated file of constants.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from export.errors import ExportError
from export.kit_constants import constants
from export.kit_vectors import port_vectors
from mobile_runtime.bundle import MANIFEST, Bundle
from mobile_runtime.files import build_folder, is_replaceable, write_json
from mobile_runtime.golden import load_vectors
from mobile_runtime.manifest import Runtime, Variant

SOURCES = Path(__file__).parent / "kit_sources"
KIT = "kit.json"
PORT = "port.json"
# What package managers leave in a folder of sources; none of it belongs to the sources.
_LEFT_OUT = {"node_modules", "__pycache__", ".DS_Store"}


@dataclass(frozen=True)
class Platform:
    """What a platform takes of a bundle, and where it goes.

    Attributes:
        runtimes: those whose variants the platform's code can run.
        assets: folder of the manifest, the models and what must go with them, relative to the kit.
        vectors: folder of the golden vectors and port.json.
    """

    runtimes: tuple[Runtime, ...]
    assets: str
    vectors: str


PLATFORMS = {
    "android": Platform(("litert",), "src/main/assets/skintriage", "src/conformance/assets/skintriage"),
    "ios": Platform(("coreml",), "Sources/Skintriage/Model", "Tests/SkintriageTests/Vectors"),
    "web": Platform(("litert",), "bundle", "bundle"),
}


@dataclass(frozen=True)
class Kit:
    """The content of kit.json, which marks a folder as a kit.

    Attributes:
        platform: its name.
        bundle: id of the bundle.
        variants: names of the variants whose models are in it, the one to use by default first.
        left_out: names of the bundle's other variants; the manifest still lists them.
        files: paths of what was written, this file aside; a later kit replaces them and nothing else.
    """

    platform: str
    bundle: str
    variants: tuple[str, ...]
    left_out: tuple[str, ...]
    files: tuple[str, ...] = ()


def write_kit(bundle: Bundle, platform: str, out: Path, variants: Sequence[str] | None = None) -> Kit:
    """Write a kit, or nothing at all; an earlier kit of the platform there is replaced as a whole.

    Args:
        bundle: a verified bundle with golden vectors.
        platform: a key of `PLATFORMS`.
        out: the kit's folder.
        variants: names of the variants to take, the default one first; None takes the bundle's default variant, or the
            first one for the platform where that is for another.

    Raises:
        ExportError: an unknown platform, a variant that is not for it, or a folder that is no kit, one of another platform,
            or holds files that no kit wrote.
        BundleError: an unknown variant, or no golden vectors.
    """
    if platform not in PLATFORMS:
        raise ExportError(f"no kit for platform {platform!r}; there are {', '.join(PLATFORMS)}")
    out = out.absolute()  # `.` is another folder once it is replaced
    target = PLATFORMS[platform]
    chosen = _choose(bundle, platform, variants)
    earlier = _earlier(out, platform)
    names = tuple(variant.name for variant in chosen)
    kit = Kit(platform, bundle.id, names, tuple(name for name in bundle.variants if name not in names))
    load_vectors(bundle)
    with build_folder(out) as folder:
        write_sources(SOURCES / platform, folder, {"c": constants(), "m": bundle.manifest, "kit": kit, "chosen": chosen})
        for path in _taken(bundle, chosen):
            place = folder / (target.vectors if path.startswith("golden/") else target.assets) / path
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle.path / path, place)
        write_json(folder / target.vectors / PORT, port_vectors(bundle, chosen[0]))
        kit = replace(kit, files=tuple(sorted(_paths(folder))))
        # Kits of before do not say what they wrote.
        _refuse_foreign(out, {KIT, *earlier.get("files", kit.files)})
        write_json(folder / KIT, asdict(kit))
    return kit


def write_sources(source: Path, folder: Path, context: dict[str, Any]) -> None:
    """Render or copy every file of a folder of sources; a name that a template needs and `context` lacks is an error."""
    # Not HTML: what is rendered is code, and strings go through `literal`.
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701
    environment.filters["literal"] = literal
    for file in sorted(source.rglob("*")):
        path = file.relative_to(source)
        if not file.is_file() or not _LEFT_OUT.isdisjoint(path.parts):
            continue
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".j2":
            text = environment.from_string(file.read_text(encoding="utf-8")).render(context)
            place.with_suffix("").write_text(text.rstrip() + "\n", encoding="utf-8")
        else:
            shutil.copyfile(file, place)


def literal(text: str) -> str:
    """A string constant as Java, Kotlin, Swift and TypeScript read it, for text without `$`.

    Raises:
        ExportError: a character that one of them would read differently.
    """
    if "$" in text or not text.isprintable():
        raise ExportError(f"{text!r} cannot be a string constant of every kit; write it without `$` and control characters")
    return json.dumps(text, ensure_ascii=False)


def _choose(bundle: Bundle, platform: str, names: Sequence[str] | None) -> list[Variant]:
    runtimes = PLATFORMS[platform].runtimes
    fitting = [variant for variant in bundle.variants.values() if variant.runtime in runtimes]
    if not fitting:
        raise ExportError(
            f"{bundle.path}: no variant for {' or '.join(runtimes)}, which {platform} needs; "
            "`make bundle` writes every variant to dist/bundle"
        )
    if names is None:
        return [next((variant for variant in fitting if variant.name == bundle.manifest.default_variant), fitting[0])]
    chosen = [bundle.variant(name) for name in dict.fromkeys(names)]
    for variant in chosen:
        if variant not in fitting:
            known = ", ".join(variant.name for variant in fitting)
            raise ExportError(f"variant {variant.name} is for {variant.runtime}, not for {platform}; there are {known}")
    return chosen


def _earlier(out: Path, platform: str) -> dict[str, Any]:
    """What kit.json says of an earlier kit; empty where there is none."""
    other = f"{out}: there is something else than a kit; give a new folder, or remove it yourself"
    if not is_replaceable(out, KIT):
        raise ExportError(other)
    if not (out / KIT).exists():
        return {}
    try:
        found = json.loads((out / KIT).read_text(encoding="utf-8"))
        earlier = found["platform"]
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError(other) from error
    if earlier != platform:
        raise ExportError(f"{out}: a kit for {earlier}; give the one for {platform} a folder of its own")
    return dict(found)


def _refuse_foreign(out: Path, written: set[str]) -> None:
    if foreign := sorted(set(_paths(out)) - written):
        raise ExportError(f"{out / foreign[0]}: not written by `export kit`; move it elsewhere, or give a new folder")


def _paths(folder: Path) -> Iterator[str]:
    return (file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file() or file.is_symlink())


def _taken(bundle: Bundle, chosen: list[Variant]) -> Iterator[str]:
    """Paths of the bundle's files that go into the kit, unchanged."""
    yield MANIFEST
    for entry in bundle.manifest.files:
        wanted = any(entry.path == variant.path or entry.path.startswith(f"{variant.path}/") for variant in chosen)
        if wanted or entry.role in ("golden", "card", "licence"):
            yield entry.path
