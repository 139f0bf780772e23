"""Fitting: a Lightning module for partial labels, and a run that can be killed and resumed exactly."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from mobile_runtime.errors import DataError
from mobile_runtime.files import refuse_own_source, write_json
from mobile_runtime.taxonomy import Taxonomy, default_taxonomy
from train.cache import open_cache
from train.checkpoint import save_checkpoint
from train.datasets import Example
from train.loading import prepared_images
from train.memory import keep_freed_memory
from train.metrics import score
from train.network import LesionNetwork, compile_backbone
from train.normalization import is_folded, restore_normalization
from train.notes import class_note, say
from train.objective import Objective, class_log_prior, likelihood
from train.partition import node_counts, partition
from train.processes import ALONE, LesionData, Processes, gather, is_first
from train.progress import EpochLines, keep_rows, logged_losses, quieten
from train.recipe import Recipe
from train.schedule import make_optimizer, make_schedule
from train.splits import (
    LAST_FILE,
    RUN_FILE,
    SPLIT_FILE,
    TEACHERS_FILE,
    Split,
    save_split,
    split_digest,
    split_examples,
    trained_images,
)
from train.starts import NAMED, begin, read_last, refuse_seen_start, refuse_taught, start_of

STATISTICS = 512
"""Training images, at most, that the normalization of a folded start is measured on."""


class Classifier(L.LightningModule):
    """Trains a `LesionNetwork`; validation figures appear in the logs after each epoch, `start` in what it is resumed from."""

    def __init__(
        self,
        recipe: Recipe,
        network: LesionNetwork,
        log_prior: torch.Tensor,
        val: list[Example],
        objective: Objective,
        start: str | None,
    ) -> None:
        super().__init__()
        self.start = start
        self.recipe, self.network, self.val_examples, self.objective = recipe, network, val, objective
        self.register_buffer("log_prior", log_prior)
        self.taxonomy = default_taxonomy()
        self._outputs: list[tuple[torch.Tensor, torch.Tensor]] = []

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.network(pixels)

    def on_train_epoch_start(self) -> None:
        # Dropout and mixup are the only other chance in training: seeding them per epoch makes a resumed run equal. Each
        # process draws its own.
        torch.manual_seed((self.global_rank << 50) + self.recipe.seed * 100_003 + self.current_epoch)

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        pixels, masks, _indices = batch
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        loss = self.objective(self.network, pixels, masks, self.log_prior)
        # Over all processes, so that all of them stop where one went wrong and none waits for it.
        shared = gather(loss.detach()[None]).mean()
        if not torch.isfinite(shared):
            raise DataError(f"the loss is {shared.item()} at step {self.global_step}; lower learning_rate in the recipe")
        self.log("train_loss", shared, on_step=True, on_epoch=True, prog_bar=True, batch_size=len(pixels))
        return loss

    def on_fit_start(self) -> None:
        torch.compiler.set_stance("default")  # an earlier run may have ended in its validation

    def on_validation_start(self) -> None:
        torch.compiler.set_stance("force_eager")  # compiling once more for evaluation takes longer than evaluating

    def on_validation_end(self) -> None:
        torch.compiler.set_stance("default")

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor], _: int) -> None:
        pixels, _masks, indices = batch
        self._outputs.append((indices, self.network(pixels).softmax(1).float()))

    def on_validation_epoch_end(self) -> None:
        indices, probabilities = (gather(torch.cat(parts)).cpu() for parts in zip(*self._outputs, strict=True))
        self._outputs.clear()
        # Each image once: shares are filled up with images that another process has.
        found, first = np.unique(indices, return_index=True)
        examples = [self.val_examples[i] for i in found]
        figures = score(probabilities.numpy()[first], examples, self.recipe.classes, self.taxonomy)
        for name, value in figures.items():
            self.log(f"val_{name}", value)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["recipe"] = self.recipe.model_dump_json()
        checkpoint["start"] = self.start

    def configure_optimizers(self) -> dict[str, object]:
        decayed = [p for p in self.parameters() if p.ndim > 1]
        plain = [p for p in self.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": self.recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        optimizer = make_optimizer(self.recipe, groups)
        schedule = make_schedule(self.recipe, optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def with_partition(recipe: Recipe, examples: list[Example], taxonomy: Taxonomy) -> Recipe:
    """The recipe with its classes found: those of the disease partition where it sets a limit, else its own.

    Raises:
        DataError: the partition has a single class.
    """
    if recipe.max_class_size is None:
        return recipe
    made = partition(taxonomy, node_counts(examples, taxonomy), recipe.max_class_size)
    if len(made.classes) < 2:
        raise DataError(f"max_class_size {recipe.max_class_size} leaves a single training class; lower it")
    return recipe.model_copy(update={"classes": tuple(c.node for c in made.classes)})


def fit(
    recipe: Recipe,
    examples: list[Example],
    out: Path,
    *,
    init: str = "scratch",
    network: LesionNetwork | None = None,
    start: str | None = None,
    objective: Objective | None = None,
    split: Split | None = None,
    workers: int = 1,
    resume: bool = True,
    cache: Path | None = None,
    compiled: bool = False,
    processes: Processes = ALONE,
) -> Path:
    """Train, validate after each epoch, and write a checkpoint.

    Several processes all call this with the same arguments; the first writes, and all come back. Where neither torchrun nor
    SLURM started the others, the first does so by running this very command again.

    Args:
        recipe: what to do.
        examples: all labelled images.
        out: run folder: splits.csv, logs, checkpoints, metrics.json, model.safetensors.
        init: `scratch`, `hub`, or the path of a safetensors file.
        network: start from this one, instead of from `init`.
        start: with `network`, the SHA-256 of the file that it was read from; None: a resumed run does not tell whether it is
            the same.
        objective: the loss; None takes the marginal likelihood of the labels, and no folder begun with teachers. A
            `torch.nn.Module` may have weights of its own.
        split: a split made before; None cuts one by the recipe.
        workers: loader processes, of each process.
        resume: go on from `out/last.ckpt` where it exists; nothing is trained if that was the last epoch.
        cache: folder of decoded images.
        compiled: compile the network first, which needs a C++ compiler: steps are faster, but begin a minute or two later.
            Sums are taken in another order, so that losses differ in their last digits.
        processes: how many share each step.

    Returns:
        The path of `model.safetensors`.

    Raises:
        DataError: unusable data or recipe, an `init` that was trained on what is for validation or test here or that would
            be replaced, a run folder begun with another recipe, split or start or with teachers, a loss that is not finite, or
            `compiled` without a compiler.
    """
    quieten()
    L.seed_everything(recipe.seed, verbose=False)
    taxonomy = default_taxonomy()
    recipe = with_partition(recipe, examples, taxonomy)
    parts = split or split_examples(examples, recipe.split)
    if network is None:
        if init not in NAMED:
            refuse_own_source(out / RUN_FILE, Path(init), "network that --init names")
        start = start_of(init)
        refuse_seen_start(init, parts)
    if resume and objective is None:
        refuse_taught(out)
    last = out / LAST_FILE
    saved = read_last(last, recipe, parts, start) if resume and last.is_file() else None
    train = trained_images(parts, recipe)
    if len(train) < recipe.batch_size:
        raise DataError(f"{len(train)} training images are fewer than one batch of {recipe.batch_size}")
    if is_first() and (note := class_note(train, recipe, taxonomy)):
        say(note)
    log_prior = class_log_prior(train, recipe, taxonomy)
    if recipe.batch_size % processes.count:
        raise DataError(f"{processes.count} processes cannot share a batch of {recipe.batch_size} images equally; start others")

    if network is None:
        network = begin(recipe, init)
    network.orientations = recipe.orientations  # a given one may have had another recipe; this one is stored with it
    if saved is None and is_folded(network):
        few = train[:: -(-len(train) // STATISTICS)]
        views = prepared_images(few, open_cache(examples, cache), recipe.input_size)
        restore_normalization(network, torch.from_numpy(views).permute(0, 3, 1, 2))
    network = network.train().to(memory_format=torch.channels_last)  # one that was loaded is in evaluation mode
    if compiled:
        compile_backbone(network)
    # A run that did not note its start goes on without: nobody knows that it was this one.
    noted = saved.get("start") if saved else start
    classifier = Classifier(recipe, network, log_prior, parts["val"], objective or likelihood(recipe), noted)

    callbacks: list[L.Callback] = [
        ModelCheckpoint(out, filename="last", save_top_k=1, every_n_epochs=1, enable_version_counter=False),
        EpochLines(),
    ]
    if recipe.ema_decay > 0:
        callbacks.append(EMAWeightAveraging(decay=recipe.ema_decay))
    gpu = torch.cuda.is_available()
    if not gpu:
        keep_freed_memory()
    table = CSVLogger(out, name="logs", version="")
    finished = saved is not None and saved["epoch"] + 1 >= recipe.epochs
    trainer = L.Trainer(
        max_epochs=recipe.epochs,
        precision="bf16-mixed" if gpu and torch.cuda.is_bf16_supported() else ("16-mixed" if gpu else "32-true"),
        logger=False if finished else [table, TensorBoardLogger(out, name="tensorboard", version="")],
        callbacks=callbacks,
        gradient_clip_val=recipe.gradient_clip,
        log_every_n_steps=min(10, len(train) // recipe.batch_size),
        num_sanity_val_steps=0,
        enable_model_summary=False,
        default_root_dir=out,
        **processes.trainer_options(),
    )
    if is_first():
        if saved is None:  # a network of before, were it left beside this split, would pass for one that was trained by it
            notes = [out / TEACHERS_FILE] if objective is None else []  # with an objective, whoever gives it keeps them
            for stale in (last, out / RUN_FILE, out / "metrics.json", *notes):
                stale.unlink(missing_ok=True)
        save_split(parts, out / SPLIT_FILE)
        open_cache(examples, cache)  # before the others are started or met: a damaged image ends one process only
        if saved and not finished:
            keep_rows(table, until=saved["epoch"])
    data = LesionData(recipe, examples, parts, workers, saved["epoch"] + 1 if saved else 0, cache)
    if saved and finished:
        # Killed after the last epoch, or called again: `fit` would stop at once, before it takes over the averaged weights.
        classifier.load_state_dict(saved["state_dict"])
        trainer.validate(classifier, datamodule=data, verbose=False)
    else:
        try:
            trainer.fit(classifier, datamodule=data, ckpt_path=str(last) if saved else None, weights_only=False)
        except SystemExit as ended:  # what Lightning makes of Ctrl-C
            if isinstance(ended.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from ended
            raise
    if not is_first():
        return out / RUN_FILE
    figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
    if saved and finished:
        figures |= logged_losses(out, saved["epoch"])
    figures = {name: value for name, value in figures.items() if math.isfinite(value)}
    write_json(out / "metrics.json", {"recipe": recipe.name, "epochs": recipe.epochs, "validation": figures})
    return save_checkpoint(classifier.network, recipe, out / RUN_FILE, split_sha256=split_digest(parts))
