"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

BundleOption = Annotated[
    Optional[str],
    typer.Option("--bundle", help="Bundle folder, or full or half, which ship with the runtime; full if left out."),
]
VariantOption = Annotated[Optional[str], typer.Option("--variant", help="Exported form; see `info`.")]
PointOption = Annotated[Optional[str], typer.Option("--operating-point", help="rule_out, balanced or rule_in.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on standard output, nothing else.")]
