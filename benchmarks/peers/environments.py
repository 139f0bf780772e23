"""Environments of the peers' own, in the user's cache: made by one command from pinned requirements."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from mobile_runtime.errors import DataError, EngineError
from mobile_runtime.files import cache_root, sha256_bytes

REQUIREMENTS = Path(__file__).parent / "requirements"
"""NAME.txt pins what NAME.in asks for: `uv pip compile --universal --python-version 3.10 --no-emit-index-url --no-annotate
--no-header NAME.in --output-file NAME.txt`."""
NAMES = tuple(sorted(path.stem for path in REQUIREMENTS.glob("*.txt")))
_MAKE_UV = Path(__file__).resolve().parents[2] / ".venvs" / "uv" / "bin" / "uv"
_READY = ".ready"


def folder_of(name: str) -> Path:
    """Where a peer's environment is or will be; other requirements or another Python make another folder.

    Raises:
        DataError: there is no such peer.
    """
    if name not in NAMES:
        raise DataError(f"no peer {name!r}; choose from {', '.join(NAMES)}")
    content = (REQUIREMENTS / f"{name}.txt").read_bytes() + platform.python_version().encode()
    return cache_root() / "peers" / f"{name}-{sha256_bytes(content)[:12]}"


def is_ready(name: str) -> bool:
    """Whether `set_up` has made a peer's environment."""
    return (folder_of(name) / _READY).is_file()


def interpreter(name: str) -> Path:
    """The Python of a peer's environment.

    Raises:
        EngineError: it is not made yet.
        DataError: there is no such peer.
    """
    if not is_ready(name):
        raise EngineError(f"no environment for {name}; run `python -m benchmarks peers --setup {name}`")
    return _python(folder_of(name))


def set_up(name: str) -> Path:
    """Make a peer's environment where it is not there yet, with uv where there is one, else with venv and pip.

    Returns:
        Its folder.

    Raises:
        EngineError: the packages cannot be installed.
        DataError: there is no such peer.
    """
    folder = folder_of(name)
    if is_ready(name):
        return folder
    pins = str(REQUIREMENTS / f"{name}.txt")
    uv = shutil.which("uv") or (str(_MAKE_UV) if _MAKE_UV.is_file() else None)
    python = str(_python(folder))
    if uv:
        commands = [
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
            [uv, "pip", "install", "--quiet", "--python", python, "--requirement", pins],
        ]
    else:
        commands = [
            [sys.executable, "-m", "venv", "--clear", str(folder)],
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", pins],
        ]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
            raise EngineError(f"{name}: `{Path(command[0]).name} {command[1]}` fails ({said[-1]}); is the registry in reach?")
    (folder / _READY).touch()
    return folder


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
