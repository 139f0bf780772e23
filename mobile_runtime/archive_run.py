"""Assessing an archive on Ray Data: workers that each hold a pipeline, and one Parquet file per part.

Ray and Arrow come with extra `ray` and are imported when a run begins.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from mobile_runtime.archive import Item
from mobile_runtime.archive_plan import Plan, item_text, items_from, part_path
from mobile_runtime.assessment import Assessment
from mobile_runtime.errors import BundleError, CaptureError, EngineError, MissingExtraError
from mobile_runtime.files import write_atomically
from mobile_runtime.pipeline import TriagePipeline
from mobile_runtime.quality import Quality

PLAN_KEY = b"skintriage.plan"
ERROR_CODES = ("unreadable", "undecodable", "fatal")
"""The file could not be read; what was read is not an image that the runtime takes; process after process died over it."""
DEATHS = 3
"""How many processes may die over an image before it is left out as `fatal`."""
STORE_BYTES = 128 * 1024 * 1024
"""Shared memory of a local cluster: lists of paths go through it, images do not."""


def optional(name: str) -> Any:
    """A module that extra `ray` brings.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(
            f"archives need {name.split('.')[0]}, not installed here; in skintriage's folder, pip install '.[ray]'"
        ) from error


def columns(pipeline: TriagePipeline) -> Any:
    """The Arrow schema of a part; what does not apply to an image is null."""
    pa = optional("pyarrow")
    text, single, double = pa.string(), pa.float32(), pa.float64()
    return pa.schema(
        [
            *(("image", text), ("error_code", text), ("error", text), ("decision", text)),
            *(("malignancy", single), ("cancer", single), ("outlier", single)),
            *((f"p_{spec.label}", single) for spec in pipeline.manifest.classes),
            *((field.name, double) for field in fields(Quality) if field.name not in ("region_px", "reasons")),
            *(("region_px", pa.int32()), ("reasons", pa.list_(text))),
            *(("operating_point", text), ("threshold", double), ("variant", text), ("engine", text), ("bundle", text)),
        ]
    )


def row_of(item: Item, pipeline: TriagePipeline) -> dict[str, Any]:
    """The result of one image: a verdict, or why there is none."""
    code, undecodable, _ = ERROR_CODES
    named = _as_text(item.image)
    try:
        data = item.read()
        code = undecodable
        return {"image": named, **_verdict(pipeline.assess(data))}
    except CaptureError as error:
        return {"image": named, "error_code": code, "error": _as_text(str(error))}


def _as_text(name: str) -> str:
    """A file name may hold bytes that are no text; Parquet has text alone, so they become escapes."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _verdict(assessment: Assessment) -> dict[str, Any]:
    return {
        "decision": assessment.decision.value,
        "malignancy": assessment.malignancy,
        "cancer": assessment.cancer,
        "outlier": assessment.outlier,
        **{f"p_{label}": value for label, value in assessment.probabilities.items()},
        **asdict(assessment.quality),
        "operating_point": assessment.operating_point,
        "threshold": assessment.point.threshold,
        "variant": assessment.variant,
        "engine": assessment.engine,
        "bundle": assessment.bundle_id,
    }


@dataclass(frozen=True)
class Job:
    """What a worker has to know besides its parts; paths are absolute."""

    bundle: str
    bundle_id: str
    variant: str
    operating_point: str
    out: str
    digest: str


class Worker:
    """Assesses parts, one after the other; runs in a process of its own.

    Raises:
        BundleError: the bundle is no longer the one that the plan names.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.pipeline = TriagePipeline(job.bundle, job.variant, job.operating_point)
        if self.pipeline.bundle.id != job.bundle_id:
            raise BundleError(
                f"{job.bundle}: {self.pipeline.bundle.id}, the plan is for {job.bundle_id}; get that bundle again"
            )

    def __call__(self, task: dict[str, Any]) -> dict[str, int]:
        """Write the file of part `task["part"]`, whose images are `task["items"]`."""
        pa, parquet = optional("pyarrow"), optional("pyarrow.parquet")
        path = part_path(Path(self.job.out), task["part"])
        path.parent.mkdir(parents=True, exist_ok=True)
        tries = tries_path(path)
        deaths = deaths_over(tries)
        rows: list[dict[str, Any]] = []
        with tries.open("a", encoding="ascii") as note:
            note.write(f"\n{os.getpid()}: ")
            for index, item in enumerate(items_from(task["items"])):
                if deaths[index] >= DEATHS:
                    error = f"{deaths[index]} processes died over it; look at it by itself"
                    rows.append({"image": _as_text(item.image), "error_code": ERROR_CODES[2], "error": error})
                    continue
                note.write(f"{index} ")
                note.flush()
                rows.append(row_of(item, self.pipeline))
        schema = columns(self.pipeline).with_metadata({PLAN_KEY: self.job.digest})
        with write_atomically(path) as temporary:
            parquet.write_table(pa.Table.from_pylist(rows, schema=schema), temporary, compression="zstd")
        tries.unlink(missing_ok=True)
        return {"part": task["part"], "images": len(rows)}


def tries_path(part: Path) -> Path:
    """The note that a worker keeps beside its part: a line per try, with its process and the positions of the images begun."""
    return part.with_name(f".{part.stem}.tries")


def deaths_over(tries: Path) -> Counter[int]:
    """Position of an image in its part -> how many tries ended with it."""
    if not tries.is_file():
        return Counter()
    begun = (line.partition(":")[2].split() for line in tries.read_text(encoding="ascii").splitlines())
    return Counter(int(positions[-1]) for positions in begun if positions)


def is_done(plan: Plan, out: Path, part: int) -> bool:
    """Whether a part is there, whole and of this plan."""
    pa, parquet = optional("pyarrow"), optional("pyarrow.parquet")
    try:
        footer = parquet.read_metadata(part_path(out, part))
    except (OSError, pa.ArrowException):
        return False
    return (footer.metadata or {}).get(PLAN_KEY) == plan.digest.encode() and footer.num_rows == len(plan.items_of(part))


@contextmanager
def cluster(workers: int, address: str | None) -> Iterator[Any]:
    """Ray: a local cluster that ends with the block, or one that is there already.

    Raises:
        EngineError: it cannot be started or reached.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anyone
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    ray = optional("ray")
    optional("ray.data")
    local = {} if address else {"num_cpus": workers, "object_store_memory": STORE_BYTES, "include_dashboard": False}
    for tries_left in (2, 1, 0):
        try:
            ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **local)
            break
        except Exception as error:  # Ray raises bare ones; on a busy machine its agent misses a fixed limit of 15 s (ray#65983)
            ray.shutdown()
            if not tries_left:
                reason = str(error).strip().splitlines()[0]
                raise EngineError(f"Ray could not be {'reached' if address else 'started'} ({reason}); try again") from error
    with redirect_stdout(sys.stderr):  # where Ray tells of workers that died
        try:
            yield ray
        finally:
            ray.shutdown()


def assess_parts(
    plan: Plan, bundle: Path, out: Path, parts: list[int], workers: int, address: str | None = None
) -> Iterator[int]:
    """Assess parts of an archive.

    A worker that dies is replaced and its part done again: nothing of a part is there before all of it is. An image over which
    worker after worker dies is left out.

    Args:
        plan: the plan that `out` belongs to.
        bundle: folder of the plan's bundle.
        out: folder of results; on a cluster of several machines one that all of them share, as the archive and bundle.
        parts: which ones.
        workers: processes.
        address: of a Ray cluster; None starts a local one.

    Yields:
        The number of images of each part that is done, in no fixed order.

    Raises:
        EngineError: Ray failed.
        MissingExtraError: extra `ray` is not installed.
    """
    job = Job(*(str(bundle.resolve()), plan.bundle, plan.variant, plan.operating_point, str(out.resolve()), plan.digest))
    tasks = [{"part": part, "items": item_text(plan.items_of(part))} for part in parts]
    with cluster(workers, address) as ray:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        done = ray.data.from_items(tasks, override_num_blocks=len(tasks)).map(
            Worker,
            fn_constructor_args=(job,),
            compute=ray.data.ActorPoolStrategy(size=workers),
            num_cpus=1,
        )
        try:
            for row in done.iter_rows():
                yield int(row["images"])
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise EngineError(f"the workers failed ({reason}); finished parts are kept, start again to go on") from error


def summarize(plan: Plan, out: Path) -> dict[str, Any]:
    """Counts over all parts.

    Raises:
        EngineError: a part is missing or is not of this plan.
    """
    parquet = optional("pyarrow.parquet")
    counts: Counter[str] = Counter()
    for part in plan.parts:
        if not is_done(plan, out, part):
            raise EngineError(f"{part_path(out, part)}: missing or changed meanwhile; start again to have it done again")
        table = parquet.ParquetFile(part_path(out, part)).read(["decision", "error_code"])
        counts.update(value for name in table.column_names for value in table[name].to_pylist() if value)
    failed = sum(counts[code] for code in ERROR_CODES)
    return {"images": len(plan.items), "failed": failed, "parts": len(plan.parts), "counts": dict(sorted(counts.items()))}
