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

/** The number of values squared times their covariance; BigInt because n * sum of products may pass 2^53. */
function spread(first: Int32Array, second: Int32Array): number {
  let products = 0;
  for (let i = 0; i < first.length; i++) products += first[i]! * second[i]!;
  return Number(BigInt(first.length) * BigInt(products) - BigInt(sum(first)) * BigInt(sum(second)));
}

/** Population standard deviation from integer sums. */
function deviation(values: Int32Array): number {
  return Math.sqrt(spread(values, values) / (values.length * values.length));
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

/** How differently the channels vary, once all have mean 0 and the same deviation, relative to the brightness. */
function colourOf(image: Uint8Array, size: number): number {
  const channels = [0, 1, 2].map((c) => {
    const values = Int32Array.from({ length: size * size }, (_, i) => image[3 * i + c]!);
    return blockSums(values, size, constants.colour_block).sums;
  });
  const deviations = channels.map((channel) => Math.sqrt(spread(channel, channel)));
  let apart = 0;
  for (const [a, b] of [[0, 1], [0, 2], [1, 2]] as const) {
    apart += Math.max(0, deviations[a]! * deviations[b]! - spread(channels[a]!, channels[b]!));
  }
  const total = channels.reduce((all, channel) => all + sum(channel), 0);
  return Math.min(1, Math.sqrt(6 * apart) / Math.max(1, total));
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
  for (let i = 0; i < n; i++) {
    const [red, green, blue] = [image[3 * i]!, image[3 * i + 1]!, image[3 * i + 2]!];
    const low = Math.min(red, green, blue);
    const tint = Math.max(red, green, blue) - low;
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
    colour: colourOf(image, size),
    region_px: null,
    reasons: [],
  };
}

/** Measure an image and name the limits that it does not keep; `regionPx` null skips that limit. */
export function judge(image: Uint8Array, size: number, limits: QualityLimits, regionPx: number | null): Quality {
  const figures = measure(image, size);
  const uniform = figures.contrast < limits.contrast_min;
  const faults: Record<Reason, boolean> = {
    too_small: regionPx !== null && regionPx < limits.region_px_min,
    too_dark: figures.brightness < limits.brightness_min,
    too_bright: figures.brightness > limits.brightness_max,
    clipped: figures.clipped > limits.clipped_max,
    glare: figures.glare > limits.glare_max,
    blurred: figures.sharpness < limits.sharpness_min,
    uniform,
    colourless: figures.colour < limits.colour_min && !uniform,
  };
  const reasons = (Object.keys(faults) as Reason[]).filter((reason) => faults[reason]);
  return { ...figures, region_px: regionPx, reasons };
}
