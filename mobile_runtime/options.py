"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

BundleOption = Annotated[
    Optional[Path], typer.Option("--bundle", help="Bundle folder; the one that ships with the runtime if left out.")
]
VariantOption = Annotated[Optional[str], typer.Option("--variant", help="Exported form; see `info`.")]
PointOption = Annotated[Optional[str], typer.Option("--operating-point", help="rule_out, balanced or rule_in.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on standard output, nothing else.")]
