"""ONNX to ExecuTorch programs for XNNPACK, float32 and int8: `executorch_export.py MODEL.onnx SCORES FRAMES.npy FOLDER`.

Runs in ExecuTorch's environment. int8 is ExecuTorch's own post-training quantization, symmetric and per channel, calibrated
on the frames, uint8 [N, S, S, 3].
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_graph import load_network, with_floats_first


def export(model: Path, scores: str, frames: Path, folder: Path) -> None:
    """Write float32.pte and int8.pte; the output called `scores` comes first."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer, get_symmetric_quantization_config
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    torch.set_num_threads(1)
    images = [torch.from_numpy(image)[None] for image in np.load(frames)]
    exported = torch.export.export(with_floats_first(load_network(model, scores)), (images[0],))
    _lower(exported, folder / "float32.pte")
    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    prepared = prepare_pt2e(exported.module(), quantizer)
    for image in images:
        prepared(image)
    _lower(torch.export.export(convert_pt2e(prepared), (images[0],)), folder / "int8.pte")


def _lower(exported: Any, path: Path) -> None:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    program = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()]).to_executorch()
    path.write_bytes(program.buffer)


if __name__ == "__main__":
    export(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
