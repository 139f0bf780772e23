"""The ports' sources, and what their conformance tests print."""

from __future__ import annotations

import re

from export.kits import PLATFORMS, SOURCES

PORTS = sorted(
    file
    for platform in PLATFORMS
    for file in (SOURCES / platform).rglob("*")
    if file.is_file() and "node_modules" not in file.parts
)


def stages(output: str) -> dict[str, tuple[int, int]]:
    """Stage -> cases and mismatches, of what the conformance test prints."""
    found = re.findall(r"^(?:ConformanceTests\.test)?(\w+):? +(\d+) cases, (\d+) mismatches", output, re.MULTILINE)
    return {stage: (int(cases), int(mismatches)) for stage, cases, mismatches in found}
