"""Freed memory stays with the process, which is what makes training on a CPU faster."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROBE = """
import resource, sys
import torch
from train.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.ones(16 * 1024 * 1024)  # 64 MiB, which is 16,384 pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if sys.argv[1] == "keep":
    assert keep_freed_memory()
faults(), faults()  # until the heap has grown
print(min(faults() for _ in range(5)))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_blocks_are_not_fetched_from_the_kernel_again() -> None:
    def probe(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", PROBE, how], capture_output=True, text=True, check=True)
        return int(done.stdout)

    # The fewest of five rounds: a small block that lands in the middle of the heap makes it grow once more in one of them.
    # Huge pages make either count smaller: 4 x 32 faults are the fewest of the plain one, a page or two of Python's own remain.
    assert probe("keep") < 100 <= probe("plain")
