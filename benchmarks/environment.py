"""What a measurement was made on: enough to compare like with like, nothing that names a person or a host."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from mobile_runtime.files import sha256_bytes

PACKAGES = ("ai-edge-litert", "tflite-runtime", "onnxruntime", "numpy", "opencv-python-headless", "pillow", "scipy")
_CPU_FACTS = ("vendor_id", "cpu family", "model", "model name", "stepping", "cache size", "flags", "CPU part")


class Environment(BaseModel):
    """A machine and its software.

    Attributes:
        evidence: what kind of machine this is evidence for.
        fingerprint: digest of the hardware facts, the same whenever it is taken on one machine. Software is left out on
            purpose, so that two versions of a runtime can be compared.
        cores_allowed: cores that this process may run on.
        load_average: runnable processes over the last 1, 5 and 15 minutes, before the measurement; None where unknown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    evidence: str
    fingerprint: str
    cpu: str
    architecture: str
    cores: int
    cores_allowed: int
    memory_bytes: int | None
    system: str
    python: str
    packages: dict[str, str]
    load_average: tuple[float, float, float] | None


def environment() -> Environment:
    """Describe this machine now."""
    facts = _cpu_facts()
    cpu = facts.get("model name") or platform.processor() or platform.machine()
    memory = _memory_bytes()
    cores = os.cpu_count() or 1
    # Memory is rounded: the kernel's own share changes a little from boot to boot.
    memory_quarters = round((memory or 0) / 2**28)
    identity = [platform.system(), platform.machine(), str(cores), str(memory_quarters), cpu, *facts.values()]
    return Environment(
        evidence="desktop",
        fingerprint=sha256_bytes("\n".join(identity).encode())[:16],
        cpu=cpu,
        architecture=platform.machine(),
        cores=cores,
        cores_allowed=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores,
        memory_bytes=memory,
        system=_system(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        packages=_versions(),
        load_average=_load_average(),
    )


def busy_note(load_average: tuple[float, float, float] | None) -> str | None:
    """A warning when the machine was doing something else."""
    if load_average is None or load_average[0] < 0.5:
        return None
    return f"The machine was busy (load average {load_average[0]:.2f} at the start): trust the ratios, not the times."


def _cpu_facts() -> dict[str, str]:
    facts: dict[str, str] = {}
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in _CPU_FACTS:
                facts.setdefault(name.strip(), value.strip())
    return facts


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _load_average() -> tuple[float, float, float] | None:
    if not hasattr(os, "getloadavg"):
        return None
    one, five, fifteen = os.getloadavg()
    return round(one, 2), round(five, 2), round(fifteen, 2)


def _system() -> str:
    if sys.platform == "linux":
        try:
            return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {_plain_release()}"
        except (OSError, KeyError):
            pass
    return f"{platform.system()} {_plain_release()}"


def _plain_release() -> str:
    """The numbers alone: a builder's suffix may name a company or a machine."""
    found = re.match(r"[\d.]+", platform.release())
    return found.group().rstrip(".") if found else ""


def _versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
