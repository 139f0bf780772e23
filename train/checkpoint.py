"""Checkpoints: safetensors with the recipe in the header; nothing on the load path can run code."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from mobile_runtime.errors import DataError
from mobile_runtime.files import write_atomically
from train.network import LesionNetwork, narrow
from train.recipe import Recipe, read_stored
from train.splits import Split, split_digest

FORMAT = "skintriage-checkpoint-1"


def save_checkpoint(
    network: LesionNetwork, recipe: Recipe, path: Path, half: bool = False, split_sha256: str | None = None
) -> Path:
    """Write weights and recipe; `half` stores kernels and matrices as float16 (the released form), vectors as they are.

    `split_sha256` is `splits.split_digest` of the split that the network was trained by; None leaves it unsaid.
    """
    state = {
        name: (value.half() if half and value.ndim > 1 else value).detach().cpu().contiguous()
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    document = recipe.model_dump_json(include=set(Recipe.model_fields))
    with write_atomically(path) as temporary:
        said = {"format": FORMAT, "recipe": document, "pruned": str(network.pruned)}
        save_file(state, temporary, metadata=said | ({"split_sha256": split_sha256} if split_sha256 else {}))
        _sort_header(temporary)
    return path


def _sort_header(path: Path) -> None:
    """Order the metadata: safetensors writes it in an order of chance, and equal networks would have unlike hashes."""
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])


def is_checkpoint(path: Path) -> bool:
    """Whether a file is a checkpoint of this project; False where it is none or cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("format") == FORMAT
    except (OSError, SafetensorError):
        return False


def split_of(path: Path) -> str | None:
    """`splits.split_digest` of the split that a network was trained by; None where its checkpoint does not say.

    Raises:
        DataError: not a readable checkpoint.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("split_sha256")
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: not a readable safetensors checkpoint ({error})") from error


def refuse_other_split(path: Path, split: Split) -> None:
    """Stop where a network was trained by another split: its test part may be what it was trained on.

    Raises:
        DataError: both splits are known and differ.
    """
    noted, given = split_of(path), split_digest(split)
    if noted not in (None, given):
        raise DataError(
            f"{path}: was trained by another split ({str(noted)[:12]}) than the one beside it ({given[:12]}), so that it may "
            "have seen what it is to be judged on; put back the splits.csv of its run"
        )


def classes_of(path: Path) -> tuple[str, ...] | None:
    """The classes of a checkpoint of this project; None of another file."""
    return load_checkpoint(path)[1].classes if is_checkpoint(path) else None


def load_checkpoint(path: Path) -> tuple[LesionNetwork, Recipe]:
    """Read a network in evaluation mode, float32, and the recipe that it was trained by.

    Raises:
        DataError: missing, not a checkpoint of this project, or not fitting its own recipe.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: not a readable safetensors checkpoint ({error})") from error
    if metadata.get("format") != FORMAT:
        raise DataError(f"{path}: no {FORMAT} header; make the checkpoint with `python -m train fit`")
    try:
        recipe = read_stored(metadata["recipe"], Recipe)
    except (KeyError, ValueError) as error:  # ValidationError and JSONDecodeError are ValueErrors
        raise DataError(f"{path}: its recipe is not readable ({error})") from error
    network = LesionNetwork(recipe.backbone, len(recipe.classes), orientations=recipe.orientations)
    if metadata.get("pruned") == "True":
        narrow(network, state)
    try:
        misfits = network.load_state_dict(state, strict=False)
    except RuntimeError as error:  # a tensor of another shape is an error even where strict is off
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: does not fit backbone {recipe.backbone} ({reason})") from error
    missing = [name for name in misfits.missing_keys if not name.endswith("num_batches_tracked")]
    if missing or misfits.unexpected_keys:
        raise DataError(f"{path}: does not fit backbone {recipe.backbone} ({[*missing, *misfits.unexpected_keys][:3]})")
    return network.eval(), recipe


def logits_of(network: LesionNetwork, pixels: torch.Tensor) -> torch.Tensor:
    """Logits [N, C] of uint8 [N, 3, S, S], in evaluation mode and without gradients."""
    with torch.inference_mode():
        return network.eval()(pixels)
