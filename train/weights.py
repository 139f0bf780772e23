"""Weights of the same network under other names, brought into timm's naming for `--init`."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from safetensors.torch import save_file

from mobile_runtime.errors import DataError
from mobile_runtime.files import refuse_own_source, write_atomically


def convert_weights(source: Path, backbone: str, target: Path) -> int:
    """Rename the tensors of another implementation of a timm backbone, which must list its layers in the same order.

    Args:
        source: a PyTorch state dict (.pth); read without running any code in it.
        backbone: a timm model name.
        target: safetensors file to write.

    Returns:
        How many tensors were renamed.

    Raises:
        DataError: not a state dict, an unknown backbone, layers that do not correspond (the first misfit is named), or `target`
            is `source`.
    """
    refuse_own_source(target, source, "state dict")
    try:
        state = torch.load(source, map_location="cpu", weights_only=True)
        found = [(name, value) for name, value in state.items() if not name.endswith("num_batches_tracked")]
        shapes = [(name.rsplit(".", 1)[-1], tuple(value.shape)) for name, value in found]
    except Exception as error:  # the restricted unpickler raises whatever damaged bytes lead it to
        raise DataError(
            f"{source}: not a PyTorch state dict ({str(error).splitlines()[0] if str(error) else error!r})"
        ) from error
    try:
        own = timm.create_model(backbone, pretrained=False).state_dict()
    except RuntimeError as error:
        raise DataError(f"backbone {backbone!r}: {' '.join(str(error).split())}") from error
    wanted = [name for name in own if not name.endswith("num_batches_tracked")]
    if len(wanted) != len(found):
        raise DataError(f"{source}: {len(found)} tensors, {backbone} has {len(wanted)}; it is another network")
    for name, theirs, (kind, shape) in zip(wanted, found, shapes, strict=True):
        if (name.rsplit(".", 1)[-1], tuple(own[name].shape)) != (kind, shape):
            raise DataError(f"{source}: {theirs[0]} {list(shape)} stands where {backbone} has {name} {list(own[name].shape)}")
    with write_atomically(target) as temporary:
        save_file({name: value.contiguous() for name, (_, value) in zip(wanted, found, strict=True)}, temporary)
    return len(wanted)
