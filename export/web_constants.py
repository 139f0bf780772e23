"""The constants of the web port that no manifest holds, written from the runtime's own: `python -m export.web_constants`."""

from __future__ import annotations

import json
from pathlib import Path

from mobile_runtime import decoding, frames, quality, resample
from mobile_runtime.decision import Decision
from mobile_runtime.files import write_atomically
from mobile_runtime.manifest import SCHEMA_VERSION

CONSTANTS = Path(__file__).parent / "kit_sources" / "web" / "src" / "constants.ts"


def typescript() -> str:
    """The text of constants.ts."""
    numbers = {
        "SCHEMA_VERSION": SCHEMA_VERSION,
        "MIN_SIDE": resample.MIN_SIDE,
        "MAX_BYTES": decoding.MAX_BYTES,
        "MAX_PIXELS": decoding.MAX_PIXELS,
        "BLOCK": quality._BLOCK,
        "WHITE": quality._WHITE,
        "GLARE_FLOOR": quality._GLARE_FLOOR,
        "GLARE_TINT": quality._GLARE_TINT,
        "GLARE_STEP": quality._GLARE_STEP,
    }
    coefficients = {f"{matrix}.{levels}": row for (matrix, levels), row in frames.COEFFICIENTS.items()}
    rows = "".join(f"  {json.dumps(key)}: {json.dumps(row)},\n" for key, row in coefficients.items())
    lines = [
        "// Written by `python -m export.web_constants`; change mobile_runtime instead.\n",
        *(f"export const {name} = {value};" for name, value in numbers.items()),
        "\n/** Matrix and range -> luma offset, luma, V to red, U to green, V to green, U to blue, in 1/65536. */",
        f"export const COEFFICIENTS = {{\n{rows}}} as const;",
        "\n/** Quality faults in the order in which they are reported. */",
        f"export const REASONS = {json.dumps(list(quality.ADVICE))} as const;",
        "export type Reason = (typeof REASONS)[number];",
        f"\nexport const DECISIONS = {json.dumps([decision.value for decision in Decision])} as const;",
        "export type Decision = (typeof DECISIONS)[number];",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    with write_atomically(CONSTANTS) as temporary:
        temporary.write_text(typescript(), encoding="utf-8")
