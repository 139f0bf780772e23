"""What a run says of itself while it trains: lines in the terminal, rows in its log, and no chatter."""

from __future__ import annotations

import csv
import logging
import warnings
from pathlib import Path
from typing import Any

import lightning as L
import rich
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.loggers import CSVLogger

SHOWN = {
    "train_loss_epoch": "loss",
    "val_balanced_accuracy": "balanced accuracy",
    "val_auc_macro": "macro AUC",
    "val_auc_malignancy": "malignancy AUC",
}
"""Figure in the logs -> its name in the line that is printed after each epoch."""


class EpochLines(RichProgressBar):
    """A bar with the loss alone, so that it fits 80 columns, and one line of figures per epoch; both on standard error."""

    def __init__(self) -> None:
        super().__init__(console_kwargs={"stderr": True})

    def _get_train_description(self, current_epoch: int) -> str:
        return f"epoch {current_epoch + 1}/{self.trainer.max_epochs}"

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        loss = trainer.progress_bar_metrics.get("train_loss_step")
        return {} if loss is None else {"loss": loss}

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        super().on_train_epoch_end(trainer, pl_module)
        if not trainer.is_global_zero:
            return
        figures = trainer.callback_metrics
        shown = [f"{label} {float(figures[name]):.3f}" for name, label in SHOWN.items() if name in figures]
        line = "  ".join([f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}", *shown])
        rich.get_console().print(line, highlight=False, soft_wrap=True)


def keep_rows(table: CSVLogger, until: int) -> None:
    """Carry the rows of finished epochs over: a CSVLogger empties the file that it finds."""
    path = Path(table.log_dir) / "metrics.csv"
    rows: list[dict[str, str]] = []
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as stream:
            # A kill may have torn the last row: the columns it lacks are None.
            whole = [row for row in csv.DictReader(stream) if None not in row.values()]
        rows = [row for row in whole if int(row["epoch"]) <= until]
    for row in rows:
        step = int(row.pop("step"))
        table.experiment.log_metrics({name: value for name, value in row.items() if value}, step)
    table.experiment.save()


def logged_losses(folder: Path, epoch: int) -> dict[str, float]:
    """What the log of a finished run has of the training loss in an epoch; of the steps, the last that was logged."""
    found: dict[str, float] = {}
    path = folder / "logs" / "metrics.csv"
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                if row["epoch"] == str(epoch):
                    found |= {name: float(value) for name, value in row.items() if value and name.startswith("train_loss")}
    if "train_loss_epoch" in found:
        found["train_loss"] = found["train_loss_epoch"]
    return found


def quieten() -> None:
    """Silence what Lightning says of itself, for the rest of the process."""
    for package in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(package).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*Checkpoint directory.*exists and is not empty.*")
    warnings.filterwarnings("ignore", message=".*Experiment logs directory.*")  # `keep_rows` brings the rows back
    warnings.filterwarnings("ignore", message=".*isinstance.*LeafSpec.*")
    warnings.filterwarnings("ignore", message=".*sync_dist=True.*")  # what is logged is the same in every process
