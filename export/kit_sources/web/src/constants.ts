// Written by `python -m export.web_constants`; change mobile_runtime instead.

export const SCHEMA_VERSION = 1;
export const MIN_SIDE = 16;
export const MAX_BYTES = 67108864;
export const MAX_PIXELS = 100000000;
export const BLOCK = 8;
export const WHITE = 250;
export const GLARE_FLOOR = 200;
export const GLARE_TINT = 40;
export const GLARE_STEP = 48;

/** Matrix and range -> luma offset, luma, V to red, U to green, V to green, U to blue, in 1/65536. */
export const COEFFICIENTS = {
  "bt601.full": [0, 65536, 91881, -22553, -46802, 116130],
  "bt601.limited": [16, 76309, 104597, -25675, -53279, 132201],
  "bt709.full": [0, 65536, 103206, -12276, -30679, 121609],
  "bt709.limited": [16, 76309, 117489, -13975, -34925, 138438],
} as const;

/** Quality faults in the order in which they are reported. */
export const REASONS = ["too_small", "too_dark", "too_bright", "clipped", "glare", "blurred", "uniform"] as const;
export type Reason = (typeof REASONS)[number];

export const DECISIONS = ["refer", "low_concern", "retake", "abstain"] as const;
export type Decision = (typeof DECISIONS)[number];
