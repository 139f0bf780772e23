"""Tools whose pins do not mix with the project's, each in an environment of its own.

`foreign/TOOL.txt` pins everything that a tool needs; scripts beside it run inside its environment and exchange files with this
process. Environments are made on first use and kept, one for every state of the pins.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from export.errors import ExportError
from mobile_runtime.files import cache_root, sha256

FOREIGN = Path(__file__).parent / "foreign"
PYTHON = "3.11"
"""Minor version that the pins were resolved for."""
_READY = ".ready"
_MAKE_UV = Path(__file__).resolve().parents[1] / ".venvs" / "uv" / "bin" / "uv"
"""Where the Makefile puts uv; pip alone is pickier about these pins."""


def tool_folder(tool: str) -> Path:
    """Where a tool's environment is or will be: in `$SKINTRIAGE_TOOLS`, else in the cache."""
    home = os.environ.get("SKINTRIAGE_TOOLS")
    root = Path(home).absolute() if home else cache_root().absolute() / "tools"
    return root / f"{tool}-{sha256(FOREIGN / f'{tool}.txt')[:12]}"


def find_tool(tool: str) -> Path | None:
    """The interpreter of a tool's finished environment; None if there is none."""
    folder = tool_folder(tool)
    return _interpreter(folder) if (folder / _READY).is_file() else None


def tool_python(tool: str) -> Path:
    """The interpreter of a tool's environment, which is made with uv, or with venv and pip, if it is not there.

    Raises:
        ExportError: no Python of the right version, or the packages cannot be installed.
    """
    if (found := find_tool(tool)) is not None:
        return found
    folder, pins = tool_folder(tool), str(FOREIGN / f"{tool}.txt")
    shutil.rmtree(folder, ignore_errors=True)  # what an interrupted run left
    folder.parent.mkdir(parents=True, exist_ok=True)
    python = str(_interpreter(folder))
    if uv := shutil.which("uv") or (str(_MAKE_UV) if _MAKE_UV.is_file() else None):
        steps = [
            [uv, "venv", "--quiet", "--python", PYTHON, str(folder)],
            [uv, "pip", "install", "--quiet", "--python", python, "--requirement", pins],
        ]
    else:
        steps = [
            [_system_python(), "-m", "venv", str(folder)],
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", pins],
        ]
    for step in steps:
        _call(step, f"the environment of {tool} cannot be made")
    (folder / _READY).touch()
    return _interpreter(folder)


def run_tool(tool: str, script: str, *arguments: str, cwd: Path) -> None:
    """Run `foreign/SCRIPT` in a tool's environment, which is made if need be.

    Args:
        tool: name of the pins.
        script: file name.
        arguments: of the script.
        cwd: folder that the script may write to.

    Raises:
        ExportError: see `tool_python`, or the script fails; the message has its last line.
    """
    _call([str(tool_python(tool)), str(FOREIGN / script), *arguments], f"{tool} fails", cwd)


def _interpreter(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _system_python() -> str:
    if sys.version_info[:2] == tuple(map(int, PYTHON.split("."))):
        return sys.executable
    if (found := shutil.which(f"python{PYTHON}")) is None:
        raise ExportError(f"Python {PYTHON} is needed for this tool; install it, or uv, which brings it")
    return found


def _call(command: list[str], problem: str, cwd: Path | None = None) -> None:
    # The project's own packages must not be found there, and a GPU that TensorFlow sees would change the rounding.
    hidden = {"PYTHONPATH": "", "PYTHONNOUSERSITE": "1", "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = subprocess.run(command, cwd=cwd, env=os.environ | hidden, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ExportError(f"{problem}: {command[0]} cannot be run ({error.strerror})") from error
    if done.returncode:
        lines = [line.strip() for line in (done.stderr + "\n" + done.stdout).splitlines() if line.strip()]
        # A traceback ends with what happened; installers begin with it.
        said = next((line for line in lines if line.startswith(("error:", "ERROR:", "×"))), lines[-1] if lines else "no output")
        raise ExportError(f"{problem} (status {done.returncode}): {said}")
