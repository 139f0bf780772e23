"""What app kits repeat of the runtime's constants, read off its modules so that a change there reaches the next kit."""

from __future__ import annotations

from typing import Any

from mobile_runtime import assessment, burst, decision, decoding, frames, golden, manifest, quality, resample
from mobile_runtime.bundle import MANIFEST


def constants() -> dict[str, Any]:
    """Names as templates use them; everything that depends on the model comes from the manifest instead."""
    return {
        "schema_version": manifest.SCHEMA_VERSION,
        "manifest": MANIFEST,
        "golden": golden.GOLDEN,
        "disclaimer": assessment.DISCLAIMER,
        "min_side": resample.MIN_SIDE,
        "max_target": resample.MAX_TARGET,
        "max_pixels": decoding.MAX_PIXELS,
        "weight_bits": resample.WEIGHT_BITS,
        "coefficients": frames.COEFFICIENTS,
        "fraction_bits": frames._FRACTION_BITS,
        "chroma_zero": frames._CHROMA_ZERO,
        "luma": quality._LUMA,
        "luma_bits": quality._LUMA_BITS,
        "block": quality._BLOCK,
        "noise": quality._NOISE,
        "white": quality._WHITE,
        "glare_floor": quality._GLARE_FLOOR,
        "glare_tint": quality._GLARE_TINT,
        "glare_step": quality._GLARE_STEP,
        "min_usable_share": burst.MIN_USABLE_SHARE,
        "max_dissent": burst.MAX_DISSENT,
        "advice": quality.ADVICE,
        "meaning": {verdict.value: text for verdict, text in decision.MEANING.items()},
    }
