"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="JSON on standard output, nothing else.")]
DataOption = Annotated[Path, typer.Option("--data", help="A data set's folder, or a folder of such folders.")]
CompileOption = Annotated[bool, typer.Option("--compile", help="Compile the network first; pays from a few epochs on.")]
RecipeOption = Annotated[str, typer.Option(help="Name in train/recipes, or the path of a .yaml file.")]
