"""`python -m benchmarks devices`: the same questions to this machine, an ARM64 emulator, a browser and an attached phone."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Optional

import typer

from benchmarks import device_adb, device_browser, device_targets, emulator, timing_tables
from benchmarks.device_results import DevicesReport
from benchmarks.device_targets import Asked
from benchmarks.options import OutOption, ThreadsOption, command_line, progress, show
from mobile_runtime.bundle import Bundle
from mobile_runtime.console import out, print_error, print_json
from mobile_runtime.errors import DataError
from mobile_runtime.files import write_json
from mobile_runtime.options import JsonOption

EXAMPLE = "python -m benchmarks devices --target qemu-arm64 dist/bundle --out devices.json"


class Target(str, Enum):
    """What runs the bundle."""

    LOCAL = "local"
    QEMU_ARM64 = "qemu-arm64"
    ADB = "adb"
    CHROMIUM = "chromium"


class Setup(str, Enum):
    """What can be set up."""

    QEMU_ARM64 = "qemu-arm64"


def devices(
    context: typer.Context,
    bundle: Annotated[
        Optional[str], typer.Argument(metavar="[BUNDLE]", help="Bundle folder, or full or half, which ship; full if left out.")
    ] = None,
    target: Annotated[Optional[Target], typer.Option("--target", help="What runs the bundle.")] = None,
    setup: Annotated[
        Optional[Setup], typer.Option("--setup", help="Fetch an ARM64 Python into the user's cache folder, once; then end.")
    ] = None,
    synthetic_images: Annotated[
        int, typer.Option("--synthetic-images", help="qemu-arm64: drawn lesions beside the golden images.", min=0)
    ] = 16,
    threads: ThreadsOption = 1,
    tool: Annotated[
        Optional[Path],
        typer.Option("--benchmark-model", help="adb: TFLite's tool built for arm64; the one in /data/local/tmp if left out."),
    ] = None,
    profile: Annotated[bool, typer.Option("--profile", help="adb: time each operator too.")] = False,
    file: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a bundle elsewhere: golden vectors, and what that place can tell of bits, instructions, times and weight.

    The result names its kind of evidence. Only `adb` measures a phone. The exit status is 1 when a golden vector is not met.
    """
    if setup is not None and target is None:
        _set_up(as_json)
        return
    if target is None or setup is not None:
        raise DataError("give --target local, qemu-arm64, adb or chromium; or --setup qemu-arm64 alone")
    if tool is not None and not tool.is_file():
        raise DataError(f"{tool}: no such file; give the benchmark_model that was built for the device")
    asked = Asked(command_line(context), Bundle.load(bundle), synthetic_images, threads)
    if not asked.variants:
        raise DataError(f"{asked.bundle.id}: neither the default variant nor float32 is for LiteRT; give another bundle")
    report = _ask(target, asked, tool, profile)
    if file is not None:
        write_json(file, report.model_dump(mode="json"))
    show(report, as_json, timing_tables.devices_table)
    if not report.golden.passed:
        for failure in report.golden.failures:
            print_error(f"golden vectors differ: {failure}")
        raise typer.Exit(1)


def _ask(target: Target, asked: Asked, tool: Path | None, profile: bool) -> DevicesReport:
    if target is Target.LOCAL:
        with progress("local", device_targets.local_steps(asked)) as advance:
            return device_targets.local(asked, advance)
    if target is Target.QEMU_ARM64:
        with progress("emulate", device_targets.qemu_steps(asked)) as advance:
            return device_targets.qemu_arm64(asked, advance)
    if target is Target.CHROMIUM:
        with progress("browse", device_browser.STEPS) as advance:
            return device_browser.chromium(asked, advance)
    with progress("phone", device_adb.steps(asked)) as advance:
        return device_adb.adb(asked, tool, profile, advance)


def _set_up(as_json: bool) -> None:
    with progress("set up", emulator.STEPS) as advance:
        made = emulator.set_up(advance)
    counting = made.counting or "counted"
    if as_json:
        print_json({"folder": str(made.folder), "software": made.software, "instructions": counting})
        return
    versions = ", ".join(f"{name} {version}" for name, version in sorted(made.software.items()))
    out.print(f"{made.folder}: {versions}; instructions: {counting}", soft_wrap=True, highlight=False)
