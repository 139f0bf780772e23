"""`python -m export check`: whether every variant of a bundle may ship."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.markup import escape
from rich.progress import Progress

from export.check import Report, Row
from export.check import check as check_bundle
from export.check_images import golden_set, labelled_set
from mobile_runtime.bundle import Bundle
from mobile_runtime.console import err, out, print_error, print_json, print_warning
from mobile_runtime.errors import BundleError, DataError
from mobile_runtime.options import JsonOption
from train.datasets import Columns


def check(
    folder: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle; it need not be intact.")],
    images: Annotated[Optional[Path], typer.Option(help="Folder of JPEG, PNG, WebP or BMP files; sub-folders count.")] = None,
    labels: Annotated[Optional[Path], typer.Option(help="CSV with a row per image.")] = None,
    image_column: Annotated[str, typer.Option(help="CSV column of file names; extension optional.")] = "image_id",
    label_column: Annotated[str, typer.Option(help="CSV column of labels.")] = "dx",
    group_column: Annotated[
        Optional[str],
        typer.Option(help="CSV column of lesions or patients; patient_id, lesion_id or group where there is one."),
    ] = None,
    dataset: Annotated[str, typer.Option(help="Label map in the taxonomy.")] = "ham10000",
    variant: Annotated[
        Optional[list[str]],
        typer.Option("--variant", help="Variant that must be there and pass; may be repeated. All if left out."),
    ] = None,
    operating_point: Annotated[Optional[str], typer.Option(help="Of the decisions; the bundle's default if left out.")] = None,
    margin: Annotated[
        Optional[float], typer.Option(max=1.0, help="Largest loss of AUC, above 0; each variant's own if left out.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check that every variant may ship: files, outputs on the golden images, and on labelled images if there are any.

    Each variant is compared with float32 and held to the limits in the manifest, and must decide as the golden vectors say.
    Core ML programs are evaluated in PyTorch, and on macOS run by Core ML, too. The exit status is 0 when all pass, 1 when one
    fails, 2 when nothing could be checked: of the bundles that ship with the runtime, which have no float32.
    """
    if (images is None) != (labels is None):
        raise DataError("give both --images and --labels, or neither")
    if margin is not None and not margin > 0:
        raise DataError(f"--margin {margin:g}: no number of images shows a loss of nothing; give more than 0, such as 0.005")
    bundle = Bundle.read(folder)
    sets = []
    damaged: str | None = None
    try:
        sets.append(golden_set(bundle))
    except BundleError as error:
        if images is None:
            raise
        damaged = str(error)
    if images is not None and labels is not None:
        sets.append(labelled_set(bundle, images, labels, Columns(image_column, label_column, group_column), dataset))
    names = variant or list(bundle.variants)
    with Progress(console=err, transient=True) as progress:
        task = progress.add_task("check", total=len(names))

        def advance(name: str) -> None:
            progress.update(task, advance=1, description=f"check {name}")

        report = check_bundle(bundle, sets, names, operating_point, margin, advance)
    report = replace(report, problem="; ".join(dict.fromkeys(filter(None, (report.problem, damaged)))) or None)
    if as_json:
        print_json(report.to_dict())
    else:
        _print_check(report)
    if own := report.own_images:
        print_warning(
            f"{len(own)} of the labelled images, first {own[0]}, have the names of those that trained this bundle or chose its "
            "thresholds, on which its variants may differ less than on others; take their rows out (own_images in --json)"
        )
    failed = [row.variant for row in report.rows if not row.passed]
    if report.problem:
        print_error(report.problem)
    if failed:
        print_error(f"{len(failed)} of {len(report.rows)} checks failed: {', '.join(dict.fromkeys(failed))}")
    raise typer.Exit(0 if report.passed else 1)


def _print_check(report: Report) -> None:
    against = f"against {report.reference or 'nothing'} at {report.operating_point}"
    out.print(f"[bold]{report.bundle}[/], {against}; errors of probability largest / mean", soft_wrap=True)
    for row in report.rows:
        verdict = "[green]pass[/]" if row.passed else "[bold red]FAIL[/]"
        out.print(f"{verdict}  [bold]{row.variant}[/]  [dim]{escape(row.runtime)}[/]", soft_wrap=True)
        own = [f"limits of this bundle's own: {', '.join(row.own_limits)}"] if row.own_limits else []
        for line in [*_lines(row), *own]:
            out.print(f"      {line}", highlight=False, soft_wrap=True)
        for reason in row.failures:
            out.print(f"      [red]{escape(reason)}[/]", soft_wrap=True)


def _lines(row: Row) -> list[str]:
    lines = []
    for name, figures in row.figures.items():
        line = f"{name} {figures.images}: error {figures.largest:.2g} / {figures.mean:.2g}, same class {figures.top1:.1%}, "
        line += f"same decision {figures.decisions:.1%}, KL {figures.kl:.2g}"
        if figures.ece is not None:
            line += f", ECE {figures.ece:.3f}"
        if (gap := figures.auc_difference) is not None:
            line += f", AUC {gap.value:+.4f} ({gap.low:+.4f} to {gap.high:+.4f})"
        lines.append(line)
    return lines
