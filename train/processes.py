"""A training shared by several processes: one per GPU, on one machine or on many, all taking part in every step."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.plugins import TorchCheckpointIO
from lightning.pytorch.plugins.environments import SLURMEnvironment, TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy
from torch.utils.data import DataLoader

from mobile_runtime.errors import DataError
from mobile_runtime.files import write_atomically
from mobile_runtime.taxonomy import default_taxonomy
from train.cache import open_cache
from train.datasets import Example
from train.loading import Item, LesionViews, plain_loader, train_loader
from train.recipe import Recipe
from train.splits import Split

PATIENCE = timedelta(hours=2)
"""How long a process waits for another, for example for the one that decodes the images, before it gives up."""


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside the one of before and then renames it. Lightning itself writes to the folder for temporary
    files: where that is another file system it copies over the only good one, and a kill or a full disk loses the run."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        # Through a stream, whose errors say that a disk is full; of a path PyTorch raises a RuntimeError.
        with write_atomically(Path(path)) as temporary, temporary.open("wb") as stream:
            torch.save(checkpoint, stream)


@dataclass(frozen=True)
class Processes:
    """How many processes share a training.

    Attributes:
        devices: processes on each machine, one per GPU where there are GPUs.
        nodes: machines.
    """

    devices: int = 1
    nodes: int = 1

    @property
    def count(self) -> int:
        """All of them."""
        return self.devices * self.nodes

    def trainer_options(self) -> dict[str, Any]:
        """What Lightning's Trainer has to be told.

        On GPUs batch normalization takes its statistics over the batches of all processes; PyTorch has no such layer for
        processors, where each process normalizes by its own share.
        """
        gpu = torch.cuda.is_available()
        options: dict[str, Any] = {"devices": self.devices, "num_nodes": self.nodes, "use_distributed_sampler": False}
        options["plugins"] = [WholeCheckpoints()]
        if SLURMEnvironment.detect():
            # Lightning's requeuing saves in the middle of an epoch, from where no run goes on exactly.
            options["plugins"].append(SLURMEnvironment(auto_requeue=False))
        if self.count > 1:
            options |= {
                "accelerator": "gpu" if gpu else "cpu",
                "strategy": DDPStrategy(timeout=PATIENCE),
                "sync_batchnorm": gpu,
            }
        return options


ALONE = Processes()


def plan_processes(devices: int | None = None, nodes: int | None = None) -> Processes:
    """The processes asked for; where left out, those that torchrun or SLURM started, else one.

    Raises:
        DataError: other numbers than torchrun or SLURM started, or more processes than GPUs.
    """
    started, launcher = Processes(devices or 1, nodes or 1), None
    if TorchElasticEnvironment.detect():
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        started, launcher = Processes(local, int(os.environ["WORLD_SIZE"]) // local), "torchrun"
    elif SLURMEnvironment.detect():
        tasks, machines = (int(os.environ.get(f"SLURM_{name}", 1)) for name in ("NTASKS_PER_NODE", "NNODES"))
        started, launcher = Processes(tasks, machines), "SLURM"
    for name, asked, there in (("devices", devices, started.devices), ("nodes", nodes, started.nodes)):
        if asked not in (None, there):
            raise DataError(f"--{name} is {asked}, but {launcher} started {there}; leave --{name} out")
    if torch.cuda.is_available() and started.devices > torch.cuda.device_count():
        raise DataError(f"{started.devices} devices are asked for, this machine has {torch.cuda.device_count()} GPUs")
    return started


def is_first() -> bool:
    """Whether this process is the one that writes and prints; right once a Trainer exists."""
    return bool(rank_zero_only.rank == 0)


def gather(tensor: torch.Tensor) -> torch.Tensor:
    """The tensors [N, ...] of all processes, of one shape, in the order of their ranks: [processes * N, ...]."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return tensor
    parts = [torch.empty_like(tensor) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(parts, tensor.contiguous())
    return torch.cat(parts)


class LesionData(L.LightningDataModule):
    """Batches of a split, each process its share.

    Args:
        recipe: what to do.
        examples: all images, in the order in which the cache was made.
        parts: their split.
        workers: loader processes of each process.
        first_epoch: where the run begins, or goes on.
        cache: folder of decoded images.
    """

    def __init__(
        self, recipe: Recipe, examples: list[Example], parts: Split, workers: int, first_epoch: int, cache: Path | None
    ) -> None:
        super().__init__()
        self.recipe, self.examples, self.parts = recipe, examples, parts
        self.workers, self.first_epoch, self.cache = workers, first_epoch, cache

    def setup(self, stage: str) -> None:
        """Open the store of decoded images; on each machine that has none, one process makes it while the others wait."""
        for its_turn in (self.trainer.local_rank == 0, True):
            if its_turn:
                self._pixels = open_cache(self.examples, self.cache)
            self.trainer.strategy.barrier()

    def _views(self, part: str) -> LesionViews:
        return LesionViews(self.parts[part], self._pixels, self.recipe, default_taxonomy())

    def train_dataloader(self) -> DataLoader[Item]:
        share = self.trainer.global_rank, self.trainer.world_size
        return train_loader(self._views("train"), self.workers, *share, self.first_epoch)

    def val_dataloader(self) -> DataLoader[Item]:
        return plain_loader(self._views("val"), rank=self.trainer.global_rank, world_size=self.trainer.world_size)
