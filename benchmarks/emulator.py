"""An ARM64 Linux under QEMU's user-mode emulator: Debian's Python and the runtime's base install, in the user's cache folder.

Nothing is installed into this system and no privilege is needed: the packages are unpacked, not installed, and the emulator is
told to look for files there first (`-L`). It translates the real ARM64 machine code, so results are evidence of what the
ARM64 kernels compute; times say nothing about a phone.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environment import PACKAGES as PACKAGES_OF_RESULTS
from mobile_runtime.errors import EngineError
from mobile_runtime.files import build_folder, cache_root, write_json

SETUP = "python -m benchmarks devices --setup qemu-arm64"
PROGRAMS = ("qemu-aarch64", "qemu-aarch64-static")  # the static one takes no plugins, hence gives no counts
CPU = "cortex-a76"
PACKAGES = ("python3", "libstdc++6", "libgcc-s1")
PLATFORM = "aarch64-manylinux_2_28"
STEPS = 4
_FACTS = "emulator.json"
# LiteRT's processor library reads these and takes this machine's for an ARM one otherwise; it then ends the process.
_CPU_FILES = {
    "proc/cpuinfo": (
        "processor\t: 0\n"
        "Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp\n"
        "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x3\nCPU part\t: 0xd0b\nCPU revision\t: 1\n\n"
    ),
    **{f"sys/devices/system/cpu/{name}": "0\n" for name in ("possible", "present", "online", "kernel_max")},
}


@dataclass(frozen=True)
class Emulator:
    """What setup has made.

    Attributes:
        program: QEMU's user-mode emulator for ARM64.
        folder: holds `root` (Debian's files), `site` (wheels) and, where counting works, `count.so`.
        python: the interpreter's name in `root/usr/bin`.
        software: versions of interpreter and packages there.
        counting: why instructions cannot be counted; "" where they can.
    """

    program: Path
    folder: Path
    python: str
    software: dict[str, str]
    counting: str

    def command(self, words: Sequence[str], counts: Path | None = None) -> list[str]:
        """Command line that runs the emulated interpreter; `counts` is a file for what the counter writes."""
        root = self.folder / "root"
        counter = [] if counts is None else ["-plugin", str(self.folder / "count.so"), "-d", "plugin", "-D", str(counts)]
        return [str(self.program), "-cpu", CPU, "-L", str(root), *counter, str(root / "usr" / "bin" / self.python), *words]

    @property
    def variables(self) -> dict[str, str]:
        """The emulated interpreter's whole environment."""
        own = {"PYTHONPATH": str(self.folder / "site"), "PYTHONPYCACHEPREFIX": str(self.folder / "pycache")}
        return own | {"PYTHONNOUSERSITE": "1", "LC_ALL": "C.UTF-8", "HOME": str(self.folder)}


def cache_folder() -> Path:
    """Where setup puts everything."""
    return cache_root() / "qemu-arm64"


def find_program() -> Path:
    """QEMU's user-mode emulator for ARM64.

    Raises:
        EngineError: it is not installed.
    """
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        raise EngineError(f"{PROGRAMS[0]} is not installed; on Debian: apt-get install qemu-user, then {SETUP}")
    return Path(found)


def open_emulator() -> Emulator:
    """What setup made.

    Raises:
        EngineError: there is no emulator, or setup has not been run.
    """
    program, folder = find_program(), cache_folder()
    try:
        facts = json.loads((folder / _FACTS).read_bytes())
        python, software, counting = facts["python"], facts["software"], facts["counting"]
    except (OSError, ValueError, KeyError) as error:
        raise EngineError(f"the ARM64 system is not set up; run {SETUP}") from error
    # A link, so that what is emulated is the code that runs here, edited or not.
    _link_runtime(folder / "site")
    return Emulator(program, folder, python, software, counting)


def set_up(advance: Callable[[int], None] = lambda count: None) -> Emulator:
    """Unpack Debian's ARM64 Python and the base install's ARM64 wheels; the whole folder is replaced when all is there.

    Args:
        advance: called with progress; the whole is `STEPS`.

    Raises:
        EngineError: a tool is missing, or a package or wheel cannot be had.
    """
    program = find_program()
    uv = _find_uv()
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise EngineError(f"{tool} is not installed; setup takes its packages from Debian and runs on Debian only")
    target = cache_folder()
    with build_folder(target) as folder:
        root, site = folder / "root", folder / "site"
        root.mkdir()
        archives = _download_packages(folder / "apt")
        advance(1)
        for archive in archives:
            _run(["dpkg-deb", "-x", str(archive), str(root)])
        shutil.rmtree(folder / "apt")
        for name, text in _CPU_FILES.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="ascii")
        python = (root / "usr" / "bin" / "python3").readlink().name
        advance(1)
        version = python.removeprefix("python")
        wheels = ["--target", str(site), "--python-platform", PLATFORM, "--python-version", version, "--only-binary", ":all:"]
        _run([uv, "pip", "install", "--quiet", *wheels, *_base_install()])
        _link_runtime(site)
        advance(1)
        draft = Emulator(program, folder, python, {}, "")
        counting = _build_counter(draft)
        facts = {"python": python, "software": _versions(draft), "counting": counting}
        write_json(folder / _FACTS, facts)
        shutil.rmtree(folder / "pycache", ignore_errors=True)
        advance(1)
    return open_emulator()


def _find_uv() -> str:
    # `make` puts uv beside the environment that this interpreter is of.
    found = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.prefix).parent / "uv" / "bin"))
    if found is None:
        raise EngineError(f"uv is not installed, which chooses the ARM64 wheels; pip install uv, then {SETUP}")
    return found


def _download_packages(state: Path) -> list[Path]:
    """Debian's ARM64 packages and all they need, by apt with a state of its own: this system's is neither read nor changed."""
    for name in ("lists/partial", "archives/partial"):
        (state / name).mkdir(parents=True)
    (state / "status").touch()
    settings = {
        "APT::Architecture": "arm64",
        "APT::Architectures::": "arm64",
        "APT::Sandbox::User": "root",
        "Dir::State": state,
        "Dir::State::Lists": state / "lists",
        "Dir::State::status": state / "status",
        "Dir::Cache": state,
        "Dir::Cache::archives": state / "archives",
    }
    apt = ["apt-get", "-qq", *(word for name, value in settings.items() for word in ("-o", f"{name}={value}"))]
    _run([*apt, "update"])
    _run([*apt, "install", "--download-only", "--no-install-recommends", "-y", *PACKAGES])
    return sorted((state / "archives").glob("*.deb"))


def _base_install() -> list[str]:
    """The base install's requirements at the versions that run here, so that only the processor differs."""
    try:
        requirements = importlib.metadata.requires("skintriage") or []
    except importlib.metadata.PackageNotFoundError as error:
        raise EngineError("skintriage is not installed here, only its code; pip install -e . first") from error
    names = [re.split(r"[^\w.-]", text)[0] for text in requirements if "extra ==" not in text]
    return [f"{name}=={importlib.metadata.version(name)}" for name in names]


def _link_runtime(site: Path) -> None:
    package = Path(sys.modules["mobile_runtime"].__path__[0]).resolve()
    link = site / package.name
    if not link.is_symlink() or link.resolve() != package:
        link.unlink(missing_ok=True)
        link.symlink_to(package)


def _build_counter(emulator: Emulator) -> str:
    """Compile the counter and try it; gives why it does not work, "" where it does."""
    compiler = shutil.which("cc")
    if compiler is None:
        return "no C compiler to build the counter with"
    library = emulator.folder / "count.so"
    counts = emulator.folder / "counts"
    try:
        _run([compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(Path(__file__).with_name("emulated_count.c"))])
        _run(emulator.command(["-c", "import os; os.getpriority(os.PRIO_PROCESS, 0)"], counts), emulator.variables)
    except EngineError as error:
        return f"{emulator.program.name} takes no plugin ({error})"
    return "" if parse_counts(counts.read_text(encoding="ascii")) else f"{emulator.program.name} counted nothing"


def parse_counts(text: str) -> list[int]:
    """Instructions executed up to each mark, from what the counter wrote."""
    return [int(found) for found in re.findall(r"^executed (\d+)$", text, re.MULTILINE)]


def _versions(emulator: Emulator) -> dict[str, str]:
    probe = (
        "import importlib.metadata as m, json, platform\n"
        "print(json.dumps({d.name.lower(): d.version for d in m.distributions()} | {'python': platform.python_version()}))"
    )
    found = json.loads(_run(emulator.command(["-c", probe]), emulator.variables))
    return {name: version for name, version in found.items() if name in ("python", *PACKAGES_OF_RESULTS)}


def _run(command: Sequence[str], variables: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise EngineError(f"{Path(command[0]).name} failed, exit status {done.returncode}: {said}")
    return done.stdout
