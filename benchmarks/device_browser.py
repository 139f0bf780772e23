"""The point-of-care page in a desktop Chromium: golden vectors, pictures against Python, times, and what a visit loads."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.device_results import DevicesReport, PageScores, PageWeight, TimedPart, golden_replay
from benchmarks.device_targets import Advance, Asked
from benchmarks.environment import busy_note, environment
from benchmarks.latency import percentiles
from mobile_runtime import serving, synthetic
from mobile_runtime.bundle import Bundle
from mobile_runtime.errors import DataError, EngineError
from mobile_runtime.golden import load_vectors
from mobile_runtime.pipeline import TriagePipeline
from mobile_runtime.quality import judge

WEB = serving.APP.parent
SHOTS = 30
STEPS = 3


def chromium(asked: Asked, advance: Advance) -> DevicesReport:
    """Run the bundle's default variant in the page; steps: `STEPS`.

    Raises:
        EngineError: Chromium, Node or the page's packages are missing, or the page fails.
        BundleError: the default variant is not LiteRT's, or there are no golden vectors.
    """
    machine = environment()
    variables = os.environ | {"PYTHON": sys.executable, "CHROMIUM": str(find_chromium())}
    _check_tools()
    pipeline = TriagePipeline(asked.bundle)
    weight = page_weight(asked.bundle)
    folder = str(asked.bundle.path.resolve())
    conformed = _npm(variables, "conformance", folder, pipeline.variant.name, "--json")
    advance(1)
    with tempfile.TemporaryDirectory(prefix="skintriage-pictures-") as name:
        pictures = write_pictures(Path(name), pipeline)
        advance(1)
        measured = _npm(variables, "measure", folder, name, str(SHOTS))
        scores = compare_pictures(pipeline, pictures, measured["verdicts"])
    advance(1)
    times = {"inference": conformed["timesMs"], "shutter to verdict": measured["shutterMs"]}
    return DevicesReport(
        command=asked.command,
        bundle=asked.bundle.id,
        target="chromium",
        evidence="desktop browser",
        device=f"LiteRT.js in WebAssembly, {measured['browser']} on {machine.cpu}",
        images={"golden": len(load_vectors(asked.bundle).cases), "whole page": scores.pictures},
        golden=golden_replay(conformed["checks"], {}),
        times=[TimedPart(variant=pipeline.variant.name, what=what, times=percentiles(ms)) for what, ms in times.items()],
        page=scores,
        weight=weight,
        notes=[
            "Times are of a browser on this desktop, with a file played as the camera; a phone's are others.",
            *filter(None, [busy_note(machine.load_average)]),
        ],
        environment=machine,
    )


def chromium_path() -> Path:
    """Where the browser that the page's tests take should be: $CHROMIUM, else Debian's."""
    return Path(os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium")


def find_chromium() -> Path:
    """The same, checked.

    Raises:
        EngineError: it is not there.
    """
    path = chromium_path()
    if not path.is_file():
        raise EngineError(f"{path} is missing; install Chromium (apt-get install chromium), or name it in $CHROMIUM")
    return path


def _check_tools() -> None:
    if shutil.which("npm") is None or not (WEB / "node_modules").is_dir():
        raise EngineError("the page's tests need Node 20 and their packages; `npm ci` in the source tree's mobile_runtime/web")


def _npm(variables: Mapping[str, str], *words: str) -> dict[str, Any]:
    command = ["npm", "run", "--silent", words[0], "--", *words[1:]]
    done = subprocess.run(command, cwd=WEB, env=variables, capture_output=True, text=True, check=False)
    try:
        return dict(json.loads(done.stdout))
    except ValueError as error:
        said = [line for line in done.stderr.splitlines() if "Error" in line] or done.stderr.splitlines() or ["no message"]
        raise EngineError(f"`npm run {words[0]}` fails: {said[0].strip()}") from error


def page_weight(bundle: Bundle) -> PageWeight:
    """What the server sends for a first visit.

    Raises:
        BundleError: the default variant is not a LiteRT model.
    """
    pages = serving.collect(bundle)
    bodies = [page.body for path, page in pages.items() if path != "/" and not path.startswith("/bundle/")]
    return PageWeight(
        files=len(bodies),
        size_bytes=sum(map(len, bodies)),
        gzip_bytes=sum(len(gzip.compress(body, mtime=0)) for body in bodies),
        model_bytes=bundle.variant().size_bytes,
    )


def write_pictures(folder: Path, pipeline: TriagePipeline) -> list[Path]:
    """The golden cases that are picture files and a drawn lesion of each class; beside them `camera.y4m`."""
    written = []
    for case in load_vectors(pipeline.bundle).cases:
        if case.frame is None:
            source = pipeline.bundle.path / case.source
            written.append(Path(shutil.copyfile(source, folder / source.name)))
    for label in synthetic.LABELS:
        written.append(folder / f"drawn_{label}.png")
        Image.fromarray(synthetic.lesion(label, 7, 400)).save(written[-1])
    write_video(folder / "camera.y4m", _accepted_lesion(pipeline))
    return written


def _accepted_lesion(pipeline: TriagePipeline) -> npt.NDArray[np.uint8]:
    """A drawn lesion that the bundle's quality limits accept before the camera, so that a shot ends in an inference."""
    for seed, label in product(range(16), synthetic.LABELS):
        picture = synthetic.lesion(label, seed, 400)
        if judge(pipeline.prepare(_scene(picture)), pipeline.manifest.quality).acceptable:
            return picture
    raise DataError("the bundle's quality limits reject every drawn lesion before the camera; there is nothing to time")


def _scene(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The picture in the middle of skin: uint8 RGB [480, 640, 3]."""
    height, width = picture.shape[:2]
    top, left = (480 - height) // 2, (640 - width) // 2
    scene = np.full((480, 640, 3), picture[:20].reshape(-1, 3).mean(axis=0).astype(np.uint8))
    scene[top : top + height, left : left + width] = picture
    return scene


def write_video(path: Path, picture: npt.NDArray[np.uint8], frames: int = 10) -> None:
    """A YUV4MPEG2 file that a browser plays as a camera: the picture, at most 640 x 480 pixels, in the middle of skin."""
    planes = cv2.cvtColor(_scene(picture), cv2.COLOR_RGB2YUV_I420).tobytes()
    path.write_bytes(b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420jpeg\n" + (b"FRAME\n" + planes) * frames)


def compare_pictures(pipeline: TriagePipeline, pictures: list[Path], verdicts: Mapping[str, Mapping[str, Any]]) -> PageScores:
    """The page's verdicts by file name against Python's on the same files."""
    same, scores = 0, []
    for picture in pictures:
        own, page = pipeline.assess(picture), verdicts[picture.name]
        same += own.decision.value == page["decision"]
        if own.malignancy is not None and page["malignancy"] is not None:
            differences = [abs(share - page["probabilities"][label]) for label, share in own.probabilities.items()]
            scores.append(max(abs(own.malignancy - page["malignancy"]), *differences))
    return PageScores(
        pictures=len(pictures),
        scored=len(scores),
        same_decision=same,
        largest_score_difference=max(scores, default=0.0),
    )
