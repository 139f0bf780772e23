"""The drift report as one self-contained HTML page."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks import figures
from benchmarks.capture_scenes import encode
from benchmarks.drift_results import DriftReport
from benchmarks.labelled import Truth
from benchmarks.pages import template
from benchmarks.scoring import Prepared, Scored

SHOWN_FLIPS = 24
_THUMBNAIL_PX = 112


def render(report: DriftReport, scored: Mapping[str, Scored], prepared: Prepared) -> str:
    """The page; pictures are inline, nothing is loaded from anywhere.

    Args:
        report: the figures.
        scored: outputs by variant, for the curves.
        prepared: the images, for thumbnails of flipped ones.
    """
    return template("drift.html").render(
        report=report,
        styles={name: figures.series_style(index) for index, name in enumerate(report.variants)},
        others=[name for name in report.variants if name != report.reference],
        roc=_roc(report, scored, Truth.of(prepared.labelled)),
        differences=_differences(report),
        movement=_movement(report, scored),
        thumbnails=_thumbnails(report, prepared),
        shown_flips=SHOWN_FLIPS,
    )


def _roc(report: DriftReport, scored: Mapping[str, Scored], truth: Truth) -> str | None:
    from sklearn.metrics import roc_curve  # half of the commands' start, and only this page needs it

    malignant = truth.malignant[truth.decided]
    if len(np.unique(malignant)) < 2:
        return None
    curves, marks = {}, {}
    for name, drift in report.variants.items():
        fall_out, recall, _ = roc_curve(malignant, scored[name].prediction.malignancy[truth.decided])
        curves[name] = list(zip(fall_out.tolist(), recall.tolist(), strict=True))
        point = drift.operating_points[report.operating_point]
        if point.sensitivity and point.specificity:
            marks[name] = (1 - point.specificity.value, point.sensitivity.value)
    return figures.roc(curves, marks)


def _differences(report: DriftReport) -> str | None:
    gaps = {
        name: drift.differences.auc_malignancy_bootstrap
        for name, drift in report.variants.items()
        if drift.differences and drift.differences.auc_malignancy_bootstrap
    }
    return figures.differences(gaps, report.margin) if gaps else None


def _movement(report: DriftReport, scored: Mapping[str, Scored]) -> str | None:
    reference = scored[report.reference].prediction.malignancy.astype(np.float64)
    changes = {
        name: np.abs(scored[name].prediction.malignancy - reference) for name in report.variants if name != report.reference
    }
    return figures.movement(changes) if changes else None


def _thumbnails(report: DriftReport, prepared: Prepared) -> dict[str, str]:
    wanted = {flip.image for drift in report.variants.values() for flip in drift.flips[:SHOWN_FLIPS]}
    return {
        image.image_id: _data_uri(prepared.pixels[index])
        for index, image in enumerate(prepared.labelled.images)
        if image.image_id in wanted
    }


def _data_uri(pixels: npt.NDArray[np.uint8]) -> str:
    picture = Image.fromarray(pixels)
    picture.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
    return "data:image/jpeg;base64," + base64.b64encode(encode(picture, "JPEG", quality=70)).decode()
