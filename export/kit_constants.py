"""What app kits repeat of the runtime's constants, read off its modules so that a change there reaches the next kit.

Templates get `constants()` when a kit is made. The web kit's sources are built without Python and hold a copy, written by
`python -m export.kit_constants`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mobile_runtime import assessment, burst, decision, decoding, engines, frames, golden, manifest, quality, resample
from mobile_runtime.bundle import MANIFEST
from mobile_runtime.files import write_json
from mobile_runtime.jpeg_structure import MAX_PARTS, MAX_SCANS
from mobile_runtime.structure import MAX_ZEROS, UNWRITTEN, UNWRITTEN_PIXELS

UNWRITTEN_RANGE = (32, 223)
"""What a colour profile, or the conversion from four colours, may make of a JPEG's `UNWRITTEN` level; not black or white, which
edges often are."""
WEB_COPY = Path(__file__).parent / "kit_sources" / "web" / "src" / "constants.json"


def constants() -> dict[str, Any]:
    """Names as templates use them; everything that depends on the model comes from the manifest instead."""
    size = manifest.InputSpec.model_json_schema()["properties"]["size"]
    return {
        "schema_version": manifest.SCHEMA_VERSION,
        "manifest": MANIFEST,
        "golden": golden.GOLDEN,
        "disclaimer": assessment.DISCLAIMER,
        "input": {name: field.default for name, field in manifest.InputSpec.model_fields.items() if name != "size"},
        "min_input": size["minimum"],
        "max_input": size["maximum"],
        "min_side": resample.MIN_SIDE,
        "max_target": resample.MAX_TARGET,
        "max_bytes": decoding.MAX_BYTES,
        "max_pixels": decoding.MAX_PIXELS,
        "unwritten": UNWRITTEN,
        "unwritten_pixels": UNWRITTEN_PIXELS,
        "unwritten_range": list(UNWRITTEN_RANGE),
        "weight_bits": resample.WEIGHT_BITS,
        "coefficients": {f"{matrix} {levels}": list(row) for (matrix, levels), row in frames.COEFFICIENTS.items()},
        "fraction_bits": frames._FRACTION_BITS,
        "chroma_zero": frames._CHROMA_ZERO,
        "luma": list(quality._LUMA),
        "luma_bits": quality._LUMA_BITS,
        "block": quality._BLOCK,
        "colour_block": quality._COLOUR_BLOCK,
        "noise": quality._NOISE,
        "white": quality._WHITE,
        "glare_floor": quality._GLARE_FLOOR,
        "glare_tint": quality._GLARE_TINT,
        "glare_step": quality._GLARE_STEP,
        "highlight_step": quality._HIGHLIGHT_STEP,
        "surround_tenths": quality._SURROUND_TENTHS,
        "echo_share": quality._ECHO_SHARE,
        "sum_tolerance": engines.SUM_TOLERANCE,
        "max_parts": MAX_PARTS,
        "max_scans": MAX_SCANS,
        "max_zeros": MAX_ZEROS,
        "min_usable_share": burst.MIN_USABLE_SHARE,
        "max_dissent": burst.MAX_DISSENT,
        "alarm": burst.ALARM,
        "burst_remark": [burst.DISAGREE, burst.DISAGREEMENT],
        "advice": quality.ADVICE,
        "meaning": {verdict.value: text for verdict, text in decision.MEANING.items()},
    }


if __name__ == "__main__":
    write_json(WEB_COPY, constants())
