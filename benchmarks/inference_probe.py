"""Outputs of variants on prepared images, as bits: run here and, by path, in the emulated interpreter.

It needs the base install only and imports nothing of this package, which is not installed there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mobile_runtime.bundle import Bundle
from mobile_runtime.engines import open_engine

KERNELS = ("xnnpack", "builtin")


def outputs(
    bundle: Bundle, variants: list[str], images: npt.NDArray[np.uint8]
) -> Iterator[tuple[str, str, npt.NDArray[np.float32]]]:
    """Variant, kernels and all its outputs side by side.

    Args:
        bundle: whose models to run.
        variants: names of LiteRT variants.
        images: uint8 RGB [N, S, S, 3].

    Yields:
        For each variant and set of kernels float32 [N, values]: probabilities, scores and outlier score, as far as it has them.
    """
    for name in variants:
        for kernels in KERNELS:
            engine = open_engine(bundle, bundle.variant(name), threads=1, xnnpack=kernels == "xnnpack")
            engine.run(images[:1])  # packs weights, once
            os.getpriority(os.PRIO_PROCESS, 0)  # the instruction counter takes this as its mark; it does nothing else
            found = engine.run(images)
            os.getpriority(os.PRIO_PROCESS, 0)
            yield name, kernels, np.concatenate([found[role].reshape(len(images), -1) for role in sorted(found)], axis=1)


def main(bundle: str, prepared: str, written: str, *variants: str) -> None:
    """Write `VARIANT.KERNELS` -> outputs of all images as .npz; one line on standard output for each."""
    found: dict[str, Any] = {}
    for name, kernels, values in outputs(Bundle.load(bundle), list(variants), np.load(prepared)):
        found[f"{name}.{kernels}"] = values
        sys.stdout.write(f"{name}.{kernels}\n")
        sys.stdout.flush()
    np.savez(Path(written), **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
