"""`python -m export`: bundle, rebuild, check, golden, card, sign, kit, and what others' tools make of a bundle."""

from __future__ import annotations

import re
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.markup import escape
from rich.table import Table

from export.assembly import assemble, check_out
from export.check_command import check
from export.deployed import undo_adjustment
from export.doubts import doubts
from export.errors import ExportError
from export.folding import fold_to_half
from export.golden import add_golden
from export.kits import PLATFORMS, write_kit
from export.model_card import card
from export.outliers import load_outliers, save_outliers
from export.parity import read_limits
from export.path_commands import mediapipe, paths
from export.record import load_record, save_record
from export.release import ReleaseName, fit_release
from export.signing import sign as sign_bundle
from export.variants import STATIC_VARIANT
from mobile_runtime.bundle import Bundle
from mobile_runtime.console import out, print_json, print_warning, steps
from mobile_runtime.files import check_place
from mobile_runtime.manifest import NAME_PATTERN
from mobile_runtime.options import JsonOption
from train.checkpoint import load_checkpoint, refuse_other_split, save_checkpoint
from train.datasets import read_examples
from train.splits import RUN_FILE, SPLIT_FILE, load_split, trained_images

VERSION_PATTERN = "[0-9A-Za-z][0-9A-Za-z.-]*"
app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="Write and rebuild bundles from trained checkpoints.")
app.command(epilog="Example: python -m export card dist/bundle --results decisions.json")(card)
app.command(epilog="Example: python -m export paths dist/bundle paths.json --images photographs")(paths)
app.command(epilog="Example: python -m export mediapipe dist/bundle --images photos")(mediapipe)

RELEASE = Path(__file__).parent / "release"
WEIGHTS_FILE, OUTLIERS_FILE, RECORD_FILE = "mobile.safetensors", "outliers.safetensors", "record.json"
LimitsOption = Annotated[
    Optional[Path],
    typer.Option(
        "--parity-limits",
        help="YAML, variant: {limit: value}, where the released network's limits do not suit another: largest, mean, "
        "agreement, auc_loss, outlier. The bundle states them; check and card name them.",
    ),
]
OnlyOption = Annotated[Optional[list[str]], typer.Option("--only", help="Write only this variant; may be repeated.")]


@app.command(epilog="Example: python -m export bundle runs/mobile --data DIR --out dist/bundle")
def bundle(
    run: Annotated[Path, typer.Argument(help="Run folder of `train fit`: model.safetensors and splits.csv.")],
    data: Annotated[Path, typer.Option(help="The data that the run was trained on.")],
    folder: Annotated[Path, typer.Option("--out", help="The bundle's folder.")] = Path("dist/bundle"),
    name: Annotated[str, typer.Option(help="Name of the bundle.")] = ReleaseName().name,
    version: Annotated[str, typer.Option(help="Version of the bundle.")] = ReleaseName().version,
    licence: Annotated[
        Optional[str], typer.Option(help="Of the weights; what the data sets ask for, as far as they are known, if left out.")
    ] = None,
    calibration_images: Annotated[int, typer.Option(min=32, help="Images that fix activation ranges.")] = 256,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the calibration draw.")] = 0,
    undo_share: Annotated[
        float,
        typer.Option("--undo-adjustment", min=0, max=1, help="Share of the recipe's logit adjustment that is taken back."),
    ] = 0.5,
    evaluate_coreml: Annotated[
        bool, typer.Option("--evaluate-coreml", help="Measure every Core ML form by evaluating it, palettes too: minutes each.")
    ] = False,
    record_to: Annotated[
        Optional[Path], typer.Option("--record", help="Also write half-precision weights and release record here.")
    ] = None,
    parity_limits: LimitsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Quantize, calibrate, fix thresholds on validation images, measure on test images, and write a bundle.

    Batch normalization is folded and weights are rounded to half precision first: in that form they are kept, and every variant
    and figure is of them.
    """
    check_out(folder)
    if record_to:
        check_place(record_to, folder=True)
    if not re.fullmatch(NAME_PATTERN, name):
        raise ExportError(
            f"--name {name!r}: take small letters, digits, dots, hyphens, underscores, as in {ReleaseName().name}"
        )
    if not re.fullmatch(VERSION_PATTERN, version):
        raise ExportError(f"--version {version!r}: take letters, digits, dots and hyphens, as in {ReleaseName().version}")
    if licence is not None and not licence.strip():
        raise ExportError("--licence says nothing; name a licence, such as CC-BY-4.0, or leave it out")
    limits = read_limits(parity_limits) if parity_limits else None
    network, recipe = load_checkpoint(run / RUN_FILE)
    split = load_split(run / SPLIT_FILE, read_examples(data))
    refuse_other_split(run / RUN_FILE, split)
    undo_adjustment(network, recipe, trained_images(split, recipe), undo_share)
    place = (record_to or run).absolute()
    # Weights and record belong together: they are moved when all are there, minutes later, and the bundle with them. Until then
    # they are on the same disk, and no folder is made that a failure would leave empty.
    home = next(above for above in (place, *place.parents) if above.is_dir())
    with tempfile.TemporaryDirectory(prefix=".record.", dir=home) as made:
        kept = save_checkpoint(fold_to_half(network), recipe, Path(made) / WEIGHTS_FILE, half=True)
        fitted = fit_release(
            kept,
            split,
            title=ReleaseName(name, version),
            calibration_images=calibration_images,
            evaluate_coreml=evaluate_coreml,
            undone=undo_share,
            seed=seed,
        )
        record = fitted.record.model_copy(update={"licence": licence})
        save_record(record, Path(made) / RECORD_FILE)
        save_outliers(fitted.outliers, Path(made) / OUTLIERS_FILE)
        assembled = assemble(kept, record, fitted.outliers, fitted.int8, folder, base=fitted.base, parity_limits=limits)
        place.mkdir(parents=True, exist_ok=True)
        # The record last: it has the hashes of the others, so that whatever is mixed by being killed here is refused.
        for file in (WEIGHTS_FILE, OUTLIERS_FILE, RECORD_FILE):
            (Path(made) / file).replace(place / file)
    _report(assembled, as_json)


@app.command(epilog="Example: python -m export rebuild --out dist/bundle")
def rebuild(
    release: Annotated[Path, typer.Option(help="Folder with mobile.safetensors and record.json.")] = RELEASE,
    folder: Annotated[Path, typer.Option("--out", help="The bundle's folder.")] = Path("dist/bundle"),
    int8_from: Annotated[
        Optional[Path], typer.Option("--int8-from", help="Bundle with the int8 model; the default one if left out.")
    ] = None,
    only: OnlyOption = None,
    parity_limits: LimitsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rebuild a bundle from kept weights, their release record and the shipped int8 model; needs no images."""
    limits = read_limits(parity_limits) if parity_limits else None
    record = load_record(release / RECORD_FILE)
    source = Bundle.load(int8_from)
    int8 = source.model_bytes(source.variant(STATIC_VARIANT))
    outliers = load_outliers(release / OUTLIERS_FILE)
    weights = release / WEIGHTS_FILE
    _report(assemble(weights, record, outliers, int8, folder, only=only, parity_limits=limits), as_json)


app.command(epilog="Example: python -m export check dist/bundle --images photos --labels labels.csv --dataset ham10000")(check)


@app.command(epilog="Example: python -m export golden dist/bundle")
def golden(
    folder: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle; its manifest and id change.")],
    as_json: JsonOption = False,
) -> None:
    """Give a bundle golden vectors made of synthetic images; `skintriage verify --golden` replays them."""
    made = add_golden(folder)
    files = [entry for entry in made.manifest.files if entry.role == "golden"]
    if as_json:
        print_json({"id": made.id, "files": [entry.model_dump(mode="json") for entry in files]})
    else:
        size = sum(entry.size_bytes for entry in files) / 1024
        out.print(f"{made.id}: {len(files)} files of golden vectors, {size:.0f} KiB; sign the bundle again")


@app.command(epilog="Example: python -m export sign dist/bundle --private-key signer.pem")
def sign(
    folder: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle.")],
    private_key: Annotated[Path, typer.Option(help="Elliptic-curve private key, PEM (P-256, P-384 or P-521).")],
    password: Annotated[
        Optional[str], typer.Option(envvar="SKINTRIAGE_KEY_PASSWORD", help="Password of the key, best given as variable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Sign a bundle in the OpenSSF model-signing format (extra: sign)."""
    written = sign_bundle(folder, private_key, password.encode() if password else None)
    if as_json:
        print_json({"signature": str(written)})
    else:
        out.print(escape(f"{written}: signed; check with `skintriage verify {folder} --key PUBLIC_KEY`"), soft_wrap=True)


@app.command(epilog="Example: python -m export kit --platform android dist/bundle kits/android")
def kit(
    bundle_folder: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle; its golden vectors are needed.")],
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="The kit's folder; an earlier kit there is replaced.")],
    platform: Annotated[str, typer.Option(help=f"One of {', '.join(PLATFORMS)}.")],
    variant: Annotated[
        Optional[list[str]], typer.Option(help="Take this variant's model; may be repeated, the first is the kit's default.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a folder for an app: model, manifest, golden vectors, typed code, conformance test and a guide."""
    with steps(1) as begin:
        begin("write the kit and run its vectors")
        made = write_kit(Bundle.load(bundle_folder), platform, folder, variant)
    if as_json:
        print_json(asdict(made))
        return
    out.print(
        escape(f"{folder}: {platform} kit of {made.bundle} with {', '.join(made.variants)}; see its README.md"), soft_wrap=True
    )
    if made.left_out:
        out.print(f"left out: {', '.join(made.left_out)}", soft_wrap=True)


def _report(made: Bundle, as_json: bool) -> None:
    doubted = doubts(made.manifest)
    if as_json:
        variants = {name: v.model_dump(mode="json") for name, v in made.variants.items()}
        print_json({"id": made.id, "variants": variants, "doubts": doubted})
        return
    table = Table("variant", "runtime", "KiB", "temperature", "largest / mean difference to PyTorch", title=made.id)
    for variant in made.variants.values():
        parity = variant.parity
        difference = f"{parity['largest']:.2g} / {parity['mean']:.2g}" if parity else "not measured"
        size = f"{variant.size_bytes / 1024:.0f}"
        table.add_row(variant.name, variant.runtime, size, f"{variant.temperature:.3f}", difference)
    out.print(table)
    for doubt in doubted:
        print_warning(doubt)
