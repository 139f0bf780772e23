"""The app kits' conformance, and the page's accessibility and weight: `python -m benchmarks.prototype --bundle dist/bundle`.

Each kit is made, compiled and run as its own guide says. A toolchain that is not there is named in the result, not passed
over. The page's figures come from its tests in Chromium, on the bundle that ships. Times are of this machine, a browser on
a desktop processor, and say nothing about a phone.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.device_browser import WEB, chromium_path, find_chromium, page_weight
from benchmarks.environment import environment
from benchmarks.options import place_of_file
from mobile_runtime import serving
from mobile_runtime.bundle import MANIFEST, Bundle
from mobile_runtime.console import err, guard, out
from mobile_runtime.errors import EngineError
from mobile_runtime.files import write_json

ENDED = "conformance command ended with status"
RESULT = Path(__file__).parent / "results" / "prototype.json"
REPOSITORY = Path(__file__).parents[1]
STAND_INS = REPOSITORY / "tests" / "export" / "swift_linux"
AUDITS = {
    "largest-contentful-paint": "largest_contentful_paint_ms",
    "cumulative-layout-shift": "cumulative_layout_shift",
    "total-byte-weight": "transferred_bytes",
}

app = typer.Typer(add_completion=False)


def stages(text: str) -> dict[str, dict[str, int]]:
    """Stage -> cases and mismatches, of what any port's conformance test prints."""
    found = re.findall(r"^\s*(?:ConformanceTests\.test)?(\w+):? +(\d+) cases, (\d+) mismatches", text, re.MULTILINE)
    return {stage.lower(): {"cases": int(cases), "mismatches": int(mismatches)} for stage, cases, mismatches in found}


def totals(text: str) -> dict[str, Any]:
    """The same with its sums; a port that printed no stage did not run.

    Raises:
        EngineError: there is no stage in it, or it ended with an error though nothing it compared differs.
    """
    found = stages(text)
    if not found:
        raise EngineError(f"a conformance test printed no stage, but: {text.strip()[-2000:] or 'nothing'}")
    sums = {count: sum(stage[count] for stage in found.values()) for count in ("cases", "mismatches")}
    if ENDED in text and not sums["mismatches"]:
        raise EngineError(f"a conformance test ended early: {text.strip()[-2000:]}")
    return {**sums, "stages": found}


def differences(text: str) -> dict[str, dict[str, float]]:
    """Output -> largest difference from Python and what is allowed, of what the test in the browser prints."""
    found = re.findall(r"outputs, (\w+): largest difference (\S+), allowed (\S+)", text)
    return {role: {"largest": float(largest), "allowed": float(allowed)} for role, largest, allowed in found}


def weigh(bundle: Bundle) -> dict[str, int]:
    """Bytes of a first visit, plain and gzipped: the page's files, and the model with its manifest."""
    page, pages = page_weight(bundle), serving.collect(bundle)
    model = [pages[f"/bundle/{path}"].body for path in (MANIFEST, bundle.variant().path)]
    return {
        "page_files": page.files,
        "page_bytes": page.size_bytes,
        "page_gzip_bytes": page.gzip_bytes,
        "model_bytes": sum(map(len, model)),
        "model_gzip_bytes": sum(len(gzip.compress(body, mtime=0)) for body in model),
    }


def _call(*words: str | Path, cwd: Path = REPOSITORY, **variables: str) -> str:
    """Standard output and error of a command, with a line for an exit status: mismatches are counted in what it prints."""
    environ = os.environ | {"PYTHON": sys.executable, "CHROMIUM": str(chromium_path())} | variables
    done = subprocess.run(list(map(str, words)), cwd=cwd, env=environ, capture_output=True, text=True)
    return done.stdout + done.stderr + (f"\n{ENDED} {done.returncode}\n" if done.returncode else "")


def _kit(platform: str, bundle: Path, folder: Path) -> Path:
    said = _call(sys.executable, "-m", "export", "kit", "--platform", platform, bundle, folder / platform)
    if not (folder / platform / "kit.json").is_file():
        raise EngineError(f"no kit for {platform}: {said.strip()}")
    return folder / platform


def _android(bundle: Path, folder: Path) -> dict[str, Any]:
    kit = _kit("android", bundle, folder)
    sources = [file for file in sorted((kit / "src").rglob("*.java")) if file.name != "LiteRtEngine.java"]
    said = _call("javac", "--release", "8", "-encoding", "UTF-8", "-d", folder / "classes", *sources)
    assets = (kit / "src" / part / "assets" / "skintriage" for part in ("main", "conformance"))
    return totals(said + _call("java", "-cp", folder / "classes", "skintriage.JvmConformance", *assets))


def _ios(bundle: Path, folder: Path) -> dict[str, Any]:
    kit = _kit("ios", bundle, folder)
    shutil.copytree(STAND_INS, kit, dirs_exist_ok=True)
    return totals(_call(_swift(), "test", "-c", "release", "-Xswiftc", "-enable-testing", "--disable-sandbox", cwd=kit))


def _node(bundle: Path, folder: Path) -> dict[str, Any]:
    kit = _kit("web", bundle, folder)
    return totals(_call("npm", "run", "--silent", "conformance:node", "--", kit / "bundle", cwd=WEB))


def _chromium(bundle: Path, folder: Path) -> dict[str, Any]:
    kit = _kit("web", bundle, folder)
    said = _call("npm", "run", "--silent", "conformance", "--", kit / "bundle", cwd=WEB)
    return {**totals(said), "output_differences_from_python": differences(said)}


def _swift() -> str:
    return os.environ.get("SWIFT", "swift")


PORTS: dict[str, tuple[Callable[[Path, Path], dict[str, Any]], Callable[[], tuple[str, ...]]]] = {
    "android, Java on a JVM": (_android, lambda: ("javac", "java")),
    "ios, Swift on Linux without Core ML": (_ios, lambda: (_swift(),)),
    "web, TypeScript in Node": (_node, lambda: ("npm",)),
    "web, TypeScript in Chromium": (_chromium, lambda: ("npm", str(chromium_path()))),
}


def _page(folder: Path) -> dict[str, Any]:
    result = folder / "page.json"
    said = _call("npm", "test", cwd=WEB, RESULTS=str(result))
    if "# fail 0" not in said or not result.is_file():
        raise EngineError(f"the page's tests fail: {said[-4000:]}")
    document: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return document


def _lighthouse(command: str, bundle: Bundle, folder: Path) -> dict[str, Any]:
    report = folder / "lighthouse.json"
    with serving.PageServer(serving.collect(bundle), 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        flags = "--chrome-flags=--headless --no-sandbox --disable-gpu"
        words = [*shlex.split(command), server.url, "--quiet", "--output=json", f"--output-path={report}", flags]
        said = _call(*words, CHROME_PATH=str(find_chromium()))
        server.shutdown()
    if not report.is_file():
        raise EngineError(f"lighthouse wrote no report: {said.strip()}")
    document = json.loads(report.read_text(encoding="utf-8"))
    return {
        "version": document["lighthouseVersion"],
        "scores": {name: category["score"] for name, category in document["categories"].items()},
        **{name: document["audits"][audit].get("numericValue") for audit, name in AUDITS.items()},
    }


@app.command(epilog="Example: python -m benchmarks.prototype --bundle dist/bundle")
def main(
    bundle: Annotated[Path, typer.Option(help="Bundle to make the kits of; with a Core ML variant, for iOS.")],
    lighthouse: Annotated[str, typer.Option(help="Command that runs Lighthouse 13; left out: no Lighthouse figures.")] = "",
    result: Annotated[Path, typer.Option("--out", callback=place_of_file, help="JSON to write.")] = RESULT,
) -> None:
    """Run every port's conformance test and the page's tests, and store the counts; $SWIFT and $CHROMIUM name those tools."""
    if not (WEB / "node_modules").is_dir():
        raise EngineError("the page's tools are not installed; run `npm ci` in mobile_runtime/web")
    described = environment().model_dump(mode="json")
    shipped = Bundle.load()
    ports: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        for port, (run, tools) in PORTS.items():
            missing = [tool for tool in tools() if shutil.which(tool) is None]
            err.print(f"{port} ...")
            ports[port] = {"not_run": f"no {missing[0]} here"} if missing else run(bundle.resolve(), Path(name))
        err.print("the page in Chromium ...")
        page = _page(Path(name))
        if lighthouse:
            err.print("lighthouse ...")
            page["lighthouse"] = _lighthouse(lighthouse, shipped, Path(name))
    document = {
        "what": "app kits replaying golden and port vectors; the page in a desktop's Chromium, not a phone's",
        "command": f"python -m benchmarks.prototype --bundle {bundle.name}",
        "bundle": Bundle.load(bundle).id,
        "page_bundle": shipped.id,
        "environment": described,
        "conformance": ports,
        "page": {**page, "weight": weigh(shipped)},
    }
    write_json(result, document)
    for port, found in ports.items():
        counts = f"{found['cases']} cases, {found['mismatches']} mismatches" if "cases" in found else found["not_run"]
        out.print(f"{port}: {counts}", soft_wrap=True)
    axe = page["axe"]
    out.print(f"axe: {axe['violations']} violations in {axe['states']} states of the page; wrote {result}", soft_wrap=True)
    if any(found.get("mismatches") for found in ports.values()):
        raise typer.Exit(1)


if __name__ == "__main__":
    guard(app)
