"""An annotated picture of a verdict, without any metadata of the original."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from mobile_runtime.assessment import DISCLAIMER, Assessment, beside
from mobile_runtime.decision import Decision
from mobile_runtime.errors import CaptureError
from mobile_runtime.files import write_atomically

# Okabe-Ito colours: told apart by people with any common colour blindness; each verdict is also written in words.
COLOURS = {
    Decision.REFER: (213, 94, 0),
    Decision.LOW_CONCERN: (0, 114, 178),
    Decision.RETAKE: (110, 110, 110),
    Decision.ABSTAIN: (110, 110, 110),
}
TITLES = {
    Decision.REFER: "REFER",
    Decision.LOW_CONCERN: "LOW CONCERN",
    Decision.RETAKE: "RETAKE",
    Decision.ABSTAIN: "CANNOT JUDGE",
}
MAX_NAME = 255
"""Bytes of a file name on all usual systems."""
_PICTURE, _PANEL, _MARGIN = 384, 420, 20
_INK, _FAINT, _PAPER = (30, 30, 30), (105, 105, 105), (250, 250, 248)


def draw(prepared: npt.NDArray[np.uint8], assessment: Assessment, names: dict[str, str], title: str = "") -> Image.Image:
    """Draw the prepared image [S, S, 3] beside its verdict.

    Args:
        prepared: what the model saw.
        assessment: the verdict.
        names: class label -> name for people.
        title: what to call the picture; "" leaves it out.

    Returns:
        An RGB picture of 804x384 pixels.
    """
    colour = COLOURS[assessment.decision]
    picture = Image.new("RGB", (_PICTURE + _PANEL, _PICTURE), _PAPER)
    view = Image.fromarray(prepared).resize((_PICTURE, _PICTURE), Image.Resampling.BICUBIC)
    picture.paste(view, (0, 0))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 0, _PICTURE - 1, _PICTURE - 1), outline=colour, width=6)
    x, y, width = _PICTURE + _MARGIN, 16, _PANEL - 2 * _MARGIN

    def write(text: str, size: int, ink: tuple[int, int, int] = _INK, gap: int = 4) -> None:
        nonlocal y
        font = ImageFont.load_default(size)
        for line in _wrapped(pen, text, font, width):
            pen.text((x, y), line, fill=ink, font=font)
            y += size + gap

    if title:
        write(title, 13, _FAINT)
    write(TITLES[assessment.decision], 28, colour, gap=8)
    judged = assessment.malignancy is not None and assessment.decision is not Decision.ABSTAIN
    if assessment.malignancy is not None and judged:
        score, threshold = beside(assessment.malignancy, assessment.point.threshold)
        write(f"Malignancy {score}, refer at {threshold} and above", 14)
        _scale(pen, x, y, width, assessment.malignancy, assessment.point.threshold, colour)
        y += 26
    for sentence in assessment.advice:
        write(sentence, 14, gap=3)
    y += 8
    for label, value in sorted(assessment.probabilities.items(), key=lambda item: -item[1])[: 3 if judged else 0]:
        write(f"{value:5.0%}  {names.get(label, label)}", 14)
    y = _PICTURE - 58
    write(f"{assessment.bundle_id}", 11, _FAINT, gap=3)
    write(f"{assessment.variant}, operating point {assessment.operating_point}", 11, _FAINT, gap=3)
    write(DISCLAIMER, 12, _INK)
    return picture


def save(picture: Image.Image, path: Path) -> Path:
    """Write a PNG without metadata."""
    with write_atomically(path) as temporary:
        picture.save(temporary, format="PNG", optimize=True)
    return path


def forget(folder: Path | None, stem: str) -> None:
    """Take away the picture of an earlier verdict: beside an error it would be taken for this photograph's."""
    if folder is not None and folder.is_dir():
        picture_path(folder, stem).unlink(missing_ok=True)


def check_stem(stem: str) -> None:
    """Raise a CaptureError where a file name has no room for what is put behind it."""
    if len(os.fsencode(picture_path(Path(), stem).name)) > MAX_NAME:
        raise CaptureError(f"{stem}: there is no room behind this name for .verdict.png; shorten it")


def picture_path(folder: Path, stem: str) -> Path:
    """Where the picture of a verdict is written."""
    return folder / f"{stem}.verdict.png"


def _scale(
    pen: ImageDraw.ImageDraw, x: int, y: int, width: int, value: float, threshold: float, colour: tuple[int, int, int]
) -> None:
    pen.rectangle((x, y + 6, x + width, y + 14), fill=(222, 222, 220))
    pen.rectangle((x, y + 6, x + max(2, int(width * value)), y + 14), fill=colour)
    mark = x + int(width * threshold)
    pen.rectangle((mark - 1, y, mark + 1, y + 20), fill=_INK)


def _wrapped(pen: ImageDraw.ImageDraw, text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and pen.textlength(longer, font=font) > width:
            lines.append(line)
            longer = word
        line = longer
    return [*lines, line]
