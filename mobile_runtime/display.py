"""What the `skintriage` command shows in a terminal: verdicts and replays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Group
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from mobile_runtime import annotate
from mobile_runtime.assessment import DISCLAIMER, Assessment, beside
from mobile_runtime.burst import BurstAssessment, is_usable
from mobile_runtime.console import out
from mobile_runtime.decision import Decision
from mobile_runtime.pipeline import TriagePipeline
from mobile_runtime.replay import STAGES, Check, Replay


def agreement(found: BurstAssessment) -> str:
    """How far the frames of a burst agree, in words; without a verdict, what each of them came to."""
    if found.agreement is None:
        return ", ".join(frame.decision.value for frame in found.frames)
    usable = [frame.malignancy for frame in found.frames if is_usable(frame) and frame.malignancy is not None]
    return f"malignancy {min(usable):.3f} to {max(usable):.3f}, {found.agreement:.0%} on the median's side of the threshold"


def left_out(found: BurstAssessment, images: Sequence[Path]) -> list[str]:
    """A line for each picture of a burst that has no verdict of its own, with why."""
    lines = []
    for frame, image in zip(found.frames, images, strict=True):
        if frame.malignancy is None:
            lines.append(f"{image.name} does not count: {', '.join(frame.quality.reasons)}")
        elif not is_usable(frame):
            lines.append(f"{image.name} counts only against reassuring: unlike training, malignancy {frame.malignancy:.3f}")
    return [escape(line) for line in lines]


def show(
    pipeline: TriagePipeline,
    assessment: Assessment,
    prepared: npt.NDArray[np.uint8],
    title: str,
    folder: Path | None,
    stem: str,
    quiet: bool,
    frames: str = "",
    share: float = 1.0,
) -> None:
    """Write the annotated picture of a verdict, and print the verdict with its figures.

    Args:
        pipeline: what made it.
        assessment: the verdict.
        prepared: what the model saw, uint8 RGB [S, S, 3].
        title: what to call the picture.
        folder: where the annotated picture goes; None writes none.
        stem: its name without .verdict.png.
        quiet: print nothing.
        frames: of a burst, how far its frames agree.
        share: how much of the picture's longer side the judged square takes.

    Raises:
        OSError: the picture cannot be written.
    """
    names = {spec.label: spec.name for spec in pipeline.manifest.classes}
    written = None
    if folder is not None:
        picture = annotate.draw(prepared, assessment, names, title)
        written = annotate.save(picture, annotate.picture_path(folder, stem))
    if not quiet:
        _print_verdict(assessment, names, title, written, frames, share)


def _print_verdict(
    assessment: Assessment, names: dict[str, str], title: str, written: Path | None, frames: str, share: float
) -> None:
    red, green, blue = annotate.COLOURS[assessment.decision]
    colour = f"rgb({red},{green},{blue})"
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    point = assessment.point
    if assessment.malignancy is not None and assessment.decision is not Decision.ABSTAIN:
        score, threshold = beside(assessment.malignancy, point.threshold)
        grid.add_row("malignancy", f"[bold]{score}[/]  (refer at {threshold} and above)")
        top = sorted(assessment.probabilities.items(), key=lambda item: -item[1])[:3]
        grid.add_row("top classes", "\n".join(f"{value:6.1%}  {names[label]}" for label, value in top))
    if round(share, 2) < 1:
        grid.add_row("judged", f"the centre square, {share:.0%} of the longer side")
    if frames:
        grid.add_row("pictures", frames)
    if assessment.outlier is not None and assessment.outlier_limit is not None:
        grid.add_row("unlike training", f"{assessment.outlier:.2f}  (no verdict above {assessment.outlier_limit:.2f})")
    quality = assessment.quality
    figures = (
        f"sharpness {quality.sharpness:.2f}, detail {quality.detail:.3f}, echo {quality.echo:.2f}, "
        f"brightness {quality.brightness:.2f}, clipped {quality.clipped:.1%}, contrast {quality.contrast:.2f}, "
        f"colour {quality.colour:.3f}, warmth {quality.warmth:.2f}"
    )
    grid.add_row("quality", ("good" if quality.acceptable else ", ".join(quality.reasons)) + f"  ({figures})")
    sensitivity, specificity = point.sensitivity, point.specificity
    grid.add_row(
        "operating point",
        f"{assessment.operating_point}: sensitivity {sensitivity.value:.2f} "
        f"({sensitivity.low:.2f}-{sensitivity.high:.2f}), specificity {specificity.value:.2f} "
        f"({specificity.low:.2f}-{specificity.high:.2f}) on {point.dataset}",
    )
    grid.add_row("model", f"{assessment.bundle_id}, {assessment.variant}, {assessment.engine}")
    if written is not None:
        grid.add_row("picture", escape(str(written)))
    grid.add_row("", f"[dim]{DISCLAIMER}[/]")
    heading = f"[bold {colour}]{annotate.TITLES[assessment.decision]}[/]  {escape(title)}"
    out.print(Panel(Group(*assessment.advice, "", grid), title=heading, title_align="left"))


def print_replay(replayed: Replay) -> None:
    """Print the largest difference of each stage and case of golden vectors, and which variants were not run."""
    worst = replayed.worst()
    table = Table("case", *STAGES, title="largest differences")
    for case in dict.fromkeys(check.case for check in replayed.checks):
        cells = [worst.get((stage, case)) for stage in STAGES]
        table.add_row(case, *("" if cell is None else _cell(cell) for cell in cells))
    out.print(table)
    for name, reason in replayed.not_run.items():
        out.print(f"[dim]{name} was not run: {escape(reason)}[/]", soft_wrap=True)


def _cell(check: Check) -> str:
    return f"{check.difference:.2g}" if check.passed else f"[bold red]{check.difference:.2g} > {check.tolerance:.2g}[/]"
