"""`python -m mobile_runtime`: assess, assess-archive, info, verify, demo, serve."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.markup import escape
from rich.table import Table

from mobile_runtime import __version__, synthetic
from mobile_runtime.archive_command import assess_archive
from mobile_runtime.assess_command import assess, assess_one, refuse_to_overwrite
from mobile_runtime.bundle import SIGNATURE, Bundle, wrong_scores
from mobile_runtime.capture import ImageInput
from mobile_runtime.console import out, print_error, print_json
from mobile_runtime.display import print_replay
from mobile_runtime.errors import BundleError
from mobile_runtime.options import BundleOption, JsonOption
from mobile_runtime.pipeline import TriagePipeline
from mobile_runtime.replay import replay
from mobile_runtime.serving import PageServer, collect

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Assess photographs of skin lesions with an exported bundle. Not a medical device and not a diagnosis.",
)


def _show_version(asked: bool) -> None:
    if asked:
        out.print(f"skintriage {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


app.command(epilog="Example: skintriage assess-archive photos --out verdicts --workers 4")(assess_archive)
app.command(epilog="Example: skintriage assess photo.jpg --out verdicts --json")(assess)


@app.command(epilog="Example: skintriage demo --image photo.jpg --out demo")
def demo(
    image: Annotated[Optional[Path], typer.Option(help="Your own photograph instead of synthetic lesions.")] = None,
    folder: Annotated[Path, typer.Option("--out", help="Where the annotated pictures go.")] = Path("demo"),
    bundle: BundleOption = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the synthetic lesions.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Show the runtime at work on synthetic lesions, drawn here and labelled as such, or on your own photograph."""
    pipeline = TriagePipeline(bundle)
    documents = []
    jobs: list[tuple[ImageInput, str, str]] = []
    if image is not None:
        refuse_to_overwrite([image], folder, [image.stem])
        jobs.append((image, image.name, image.stem))
    else:
        for label in ("nv", "mel", "vasc"):
            jobs.append((synthetic.lesion(label, seed), f"synthetic lesion drawn as {label!r}", f"synthetic-{label}"))
        if not as_json:
            out.print(
                "Synthetic drawings, not patients: they show what the output looks like, not how good the model is, and what a "
                "drawing is named after is not what it has.\n"
            )
    for source, title, stem in jobs:
        assessment = assess_one(pipeline, source, title, folder, stem, quiet=as_json)
        documents.append({"image": title, **assessment.to_dict()})
    if as_json:
        print_json(documents)


@app.command(epilog="Example: skintriage info --bundle dist/bundle")
def info(bundle: BundleOption = None, as_json: JsonOption = False) -> None:
    """Show what a bundle holds: variants, sizes, operating points, provenance, licence."""
    loaded = Bundle.load(bundle)
    manifest = loaded.manifest
    if as_json:
        print_json({"id": loaded.id, **json.loads(manifest.to_json())})
        return
    out.print(f"[bold]{escape(loaded.id)}[/]  {escape(manifest.licence)}")
    out.print(escape(manifest.intended_use), soft_wrap=True)
    for variant in manifest.variants.values():
        form = f"{variant.runtime}, {variant.precision}, {variant.size_bytes / 1024:.0f} KiB"
        out.print(f"\n[bold]{variant.name}[/]  {form}", soft_wrap=True)
        table = Table("operating point", "refer at", "sensitivity", "specificity")
        for name, point in variant.operating_points.items():
            shares = (f"{e.value:.3f} ({e.low:.3f}-{e.high:.3f})" for e in (point.sensitivity, point.specificity))
            table.add_row(name, f"{point.threshold:.3f}", *shares)
        out.print(table)
    out.print(f"input: uint8 RGB [1, {manifest.input.size}, {manifest.input.size}, 3]; default: {manifest.default_variant}")
    for limitation in manifest.limitations:
        out.print(f"- {escape(limitation)}", soft_wrap=True)


@app.command(epilog="Example: skintriage verify dist/bundle --key signer.pub.pem --golden")
def verify(
    folder: Annotated[Optional[str], typer.Argument(metavar="[BUNDLE]", help="The same as --bundle.")] = None,
    bundle: BundleOption = None,
    key: Annotated[Optional[Path], typer.Option(help="Signer's public key, PEM: check the signature (extra: sign).")] = None,
    golden: Annotated[bool, typer.Option("--golden", help="Replay the golden vectors, stage by stage.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check a bundle: closed file list, sizes, SHA-256, schema, structure of models, which classes count as malignant; on
    request signature and golden vectors.

    The exit status is 2 when the bundle is not intact and 1 when a golden vector is not met, or the
    default variant was not run (Core ML's needs a Mac).
    """
    if folder is not None and bundle is not None:
        raise BundleError(f"two bundles are named, {folder!r} and {bundle!r}; give one")
    loaded = Bundle.load(bundle if folder is None else folder, key=key)
    for variant in loaded.variants.values():
        if variant.runtime != "coreml":
            loaded.model_bytes(variant)
    if wrong := wrong_scores(loaded.manifest):
        raise BundleError(f"{loaded.path}: {wrong}")
    signature = "verified" if key else "not checked" if (loaded.path / SIGNATURE).exists() else "none"
    replayed = replay(loaded) if golden else None
    failure = replayed.first_failure if replayed else None
    if as_json:
        document = {"id": loaded.id, "files": len(loaded.manifest.files), "intact": True, "signature": signature}
        print_json(document | ({} if replayed is None else {"golden": replayed.to_dict()}))
    else:
        out.print(f"{escape(loaded.id)}: {len(loaded.manifest.files)} files intact, signature: {signature}")
        if replayed is not None:
            print_replay(replayed)
    if failure is not None:
        print_error(f"golden vectors not met, first at {failure.describe()}")
        raise typer.Exit(1)


@app.command(epilog="Example: skintriage serve --port 8000 --open")
def serve(
    port: Annotated[int, typer.Option(help="Port on this machine; 0 takes a free one.")] = 8000,
    bundle: BundleOption = None,
    browse: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Serve the point-of-care page on this machine, until interrupted.

    Pictures are taken, judged and forgotten in the browser; this machine's server cannot receive any. For an Android phone
    on a cable: `adb reverse tcp:8000 tcp:8000`, then http://localhost:8000/ on the phone.
    """
    loaded = Bundle.load(bundle)
    with PageServer(collect(loaded), port) as server:
        if as_json:
            print_json({"url": server.url, "bundle": loaded.id})
        else:
            out.print(f"{server.url}  {loaded.id}  stop with Ctrl+C", soft_wrap=True, highlight=False)
        if browse:
            webbrowser.open(server.url)
        server.serve_forever()
