/** Quality of a capture, from integer sums: the same bits as mobile_runtime/quality.py. */

import { constants, type Reason } from "./constants.js";
import type { QualityLimits } from "./manifest.js";

/** Figures of one S x S image; see mobile_runtime/quality.py for what each one is. */
export interface Quality {
  sharpness: number;
  brightness: number;
  clipped: number;
  glare: number;
  contrast: number;
  colour: number;
  region_px: number | null;
  reasons: Reason[];
}

function sum(values: Int32Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

function sumOfSquares(values: Int32Array): number {
  let total = 0;
  for (const value of values) total += value * value;
  return total;
}

/** Population standard deviation from integer sums; BigInt because n * sum of squares may pass 2^53. */
function deviation(values: Int32Array): number {
  const n = values.length;
  const spread = BigInt(n) * BigInt(sumOfSquares(values)) - BigInt(sum(values)) ** 2n;
  return Math.sqrt(Number(spread) / (n * n));
}

/** Sums over side x side blocks; rows and columns that do not fill a block are left out. */
function blockSums(values: Int32Array, size: number, side: number): { sums: Int32Array; across: number } {
  const across = Math.floor(size / side);
  const sums = new Int32Array(across * across);
  for (let y = 0; y < across * side; y++) {
    for (let x = 0; x < across * side; x++) {
      sums[Math.floor(y / side) * across + Math.floor(x / side)]! += values[y * size + x]!;
    }
  }
  return { sums, across };
}

/** Quality figures of uint8 RGB [size, size, 3], without limits. */
export function measure(image: Uint8Array, size: number): Quality {
  const n = size * size;
  const luma = new Int32Array(n);
  const { block, luma_bits: bits } = constants;
  const [ofRed, ofGreen, ofBlue] = constants.luma as [number, number, number];
  for (let i = 0; i < n; i++) {
    luma[i] = (ofRed * image[3 * i]! + ofGreen * image[3 * i + 1]! + ofBlue * image[3 * i + 2]! + (1 << (bits - 1))) >> bits;
  }
  const total = sum(luma);

  const { sums: pairs, across } = blockSums(luma, size, 2);
  let squares = 0;
  for (let y = 1; y < across - 1; y++) {
    for (let x = 1; x < across - 1; x++) {
      const i = y * across + x;
      const laplacian = 4 * pairs[i]! - pairs[i - across]! - pairs[i + across]! - pairs[i - 1]! - pairs[i + 1]!;
      squares += laplacian * laplacian;
    }
  }
  const edges = Math.sqrt(squares / (16 * (across - 2) ** 2));

  let clipped = 0;
  let glare = 0;
  let colours = 0;
  for (let i = 0; i < n; i++) {
    const [red, green, blue] = [image[3 * i]!, image[3 * i + 1]!, image[3 * i + 2]!];
    const low = Math.min(red, green, blue);
    const tint = Math.max(red, green, blue) - low;
    colours += tint;
    if (low >= constants.white) clipped++;
    const nearWhite = low >= constants.glare_floor && tint <= constants.glare_tint;
    if (nearWhite && luma[i]! * n >= total + constants.glare_step * n) glare++;
  }
  return {
    sharpness: edges / (deviation(luma) + constants.noise),
    brightness: total / (255 * n),
    clipped: clipped / n,
    glare: glare / n,
    contrast: deviation(blockSums(luma, size, block).sums) / (255 * block * block),
    colour: colours / (255 * n),
    region_px: null,
    reasons: [],
  };
}

/** Measure an image and name the limits that it does not keep; `regionPx` null skips that limit. */
export function judge(image: Uint8Array, size: number, limits: QualityLimits, regionPx: number | null): Quality {
  const figures = measure(image, size);
  const faults: Record<Reason, boolean> = {
    too_small: regionPx !== null && regionPx < limits.region_px_min,
    too_dark: figures.brightness < limits.brightness_min,
    too_bright: figures.brightness > limits.brightness_max,
    clipped: figures.clipped > limits.clipped_max,
    glare: figures.glare > limits.glare_max,
    blurred: figures.sharpness < limits.sharpness_min,
    uniform: figures.contrast < limits.contrast_min,
    colourless: figures.colour < limits.colour_min,
  };
  const reasons = (Object.keys(faults) as Reason[]).filter((reason) => faults[reason]);
  return { ...figures, region_px: regionPx, reasons };
}
