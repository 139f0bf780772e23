"""`python -m train`: data, fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from mobile_runtime.console import fail_clearly, say

app = typer.Typer(no_args_is_help=True, help="Train classifiers from labelled photographs.")
