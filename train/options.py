"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

DataOption = Annotated[Path, typer.Option("--data", help="A data set's folder, or a folder of such folders.")]
CompileOption = Annotated[bool, typer.Option("--compile", help="Compile the network first; pays from a few epochs on.")]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Start over instead of going on from the last checkpoint.")]
RecipeSeedOption = Annotated[Optional[int], typer.Option("--seed", min=0, max=2**32 - 1, help="Overrides the recipe's seed.")]
EpochsOption = Annotated[Optional[int], typer.Option("--epochs", min=1, help="Overrides the recipe's epochs.")]
RecipeOption = Annotated[str, typer.Option(help="Name in train/recipes, or the path of a .yaml file.")]
