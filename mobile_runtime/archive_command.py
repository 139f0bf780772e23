"""`skintriage assess-archive`: every photograph of a large archive, by several processes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.markup import escape
from rich.progress import Progress

from mobile_runtime.archive import look_through
from mobile_runtime.archive_plan import Plan
from mobile_runtime.archive_run import assess_parts, is_done, optional, summarize
from mobile_runtime.console import err, out, print_json
from mobile_runtime.errors import name_few
from mobile_runtime.files import write_json
from mobile_runtime.options import BundleOption, JsonOption, PointOption, VariantOption
from mobile_runtime.pipeline import TriagePipeline


def assess_archive(
    source: Annotated[Path, typer.Argument(help="Folder of images or .tar shards, one .tar shard, or a .csv of paths.")],
    folder: Annotated[Path, typer.Option("--out", help="Where plan.json, parts/*.parquet and summary.json go.")],
    bundle: BundleOption = None,
    variant: VariantOption = None,
    operating_point: PointOption = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    part_images: Annotated[int, typer.Option(min=1, help="Images in a part.")] = 256,
    path_column: Annotated[str, typer.Option(help="Column of the CSV; relative paths are below the CSV's folder.")] = "path",
    address: Annotated[
        Optional[str], typer.Option(help="Ray cluster to use; one on this machine is started if left out.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over instead of going on with the missing parts.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Give a verdict on each photograph of a large archive, as Parquet files (extra: ray).

    Killed and started again, it does the parts that are missing. An image that cannot be read has its error in its row; the
    exit status is then 1. Files of types that are not read are counted as skipped.
    """
    optional("ray.data")
    pipeline = TriagePipeline(bundle, variant, operating_point)
    with err.status(escape(f"looking through {source}")):
        model = (pipeline.bundle.id, pipeline.variant.name, pipeline.operating_point)
        contents = look_through(source, path_column)
        plan = Plan(contents.items, part_images, *model)
        plan.claim(folder, fresh)
        missing = [part for part in plan.parts if not is_done(plan, folder, part)]
    images, began = 0, time.monotonic()
    if missing:
        with Progress(console=err, transient=True) as bar:
            task = bar.add_task("assess", total=sum(len(plan.items_of(part)) for part in missing))
            for count in assess_parts(plan, pipeline.bundle.path, folder, missing, workers, address):
                images += count
                bar.advance(task, count)
    seconds = time.monotonic() - began
    skipped = contents.left_out.total()
    document = summarize(plan, folder) | {"skipped": skipped}
    write_json(folder / "summary.json", document)
    if as_json:
        print_json(document | {"assessed_now": images, "seconds": round(seconds, 3)})
    else:
        counts = ", ".join(f"{name} {count}" for name, count in document["counts"].items())
        out.print(f"{len(plan.items)} images: {counts}", highlight=False, soft_wrap=True)
        if skipped:
            endings = name_few([f"{ending or 'no ending'} {count}" for ending, count in contents.left_out.most_common()])
            out.print(f"{skipped} files skipped for their type: {escape(endings)}", highlight=False, soft_wrap=True)
        out.print(f"wrote {escape(str(folder / 'parts'))}, {images} images in {seconds:.0f} s", highlight=False, soft_wrap=True)
    raise typer.Exit(1 if document["failed"] else 0)
