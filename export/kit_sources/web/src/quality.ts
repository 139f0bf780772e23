/** Quality of a capture, from integer sums: the same bits as mobile_runtime/quality.py. */

import { constants, type Reason } from "./constants.js";
import type { QualityLimits } from "./manifest.js";

/** Figures of one S x S image; see mobile_runtime/quality.py for what each one is. */
export interface Quality {
  sharpness: number;
  least_sharpness: number;
  evenness: number;
  detail: number;
  echo: number;
  brightness: number;
  clipped: number;
  highlight: number;
  glare: number;
  contrast: number;
  colour: number;
  warmth: number;
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

/**
 * Sums of squares over the cells of 2 x 2 pixels: of the 4-neighbour Laplacian, and of twice the second differences along rows,
 * columns and diagonals, where the axes' count twice since diagonal neighbours are farther.
 */
function bendsOf(pairs: Int32Array, across: number): { laplacian: number; bends: number[]; cells: number } {
  let laplacian = 0;
  const bends = [0, 0, 0, 0];
  for (let y = 1; y < across - 1; y++) {
    for (let x = 1; x < across - 1; x++) {
      const i = y * across + x;
      const bend = (step: number): number => 2 * pairs[i]! - pairs[i - step]! - pairs[i + step]!;
      const [row, column, falling, rising] = [bend(1), bend(across), bend(across + 1), bend(across - 1)];
      laplacian += (row + column) ** 2;
      bends[0]! += 2 * row ** 2;
      bends[1]! += 2 * column ** 2;
      bends[2]! += falling ** 2;
      bends[3]! += rising ** 2;
    }
  }
  return { laplacian, bends, cells: (across - 2) ** 2 };
}

/** How far the highest peak of the autocorrelation of the Laplacian's signs stands above the ring around it. */
function echoOf(pairs: Int32Array, across: number): number {
  const [side, reach] = [across - 2, Math.floor(across / constants.echo_share)];
  const signs = Int8Array.from({ length: side * side }, (_, i) => {
    const at = (Math.floor(i / side) + 1) * across + (i % side) + 1;
    return Math.sign(4 * pairs[at]! - pairs[at - 1]! - pairs[at + 1]! - pairs[at - across]! - pairs[at + across]!);
  });
  const far = reach + 2;
  const place = (y: number, x: number): number => (y + far) * (2 * far + 1) + x + far;
  const likeness = new Float64Array((2 * far + 1) ** 2);
  for (let y = 0; y <= far; y++) {
    for (let x = -far; x <= far; x++) {
      let count = 0;
      for (let row = 0; row < side - y; row++) {
        const to = (row + y) * side + x;
        for (let column = Math.max(0, -x); column < side - Math.max(0, x); column++) {
          count += signs[row * side + column]! * signs[to + column]!;
        }
      }
      likeness[place(y, x)] = likeness[place(-y, -x)] = count / ((side - y) * (side - Math.abs(x)));
    }
  }
  const steps = [-2, -1, 0, 1, 2];
  const ring = steps.flatMap((y) => steps.map((x) => [y, x] as const)).filter(([y, x]) => [4, 5].includes(y * y + x * x));
  let highest = 0;
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      if (y * y + x * x < 4 || y * y + x * x > reach * reach) continue;
      const around = Math.max(...ring.map(([dy, dx]) => likeness[place(y + dy, x + dx)]!));
      highest = Math.max(highest, likeness[place(y, x)]! - around);
    }
  }
  const all = likeness[place(0, 0)]!;
  return all > 0 ? highest / all : 0;
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
  const { laplacian, bends, cells } = bendsOf(pairs, across);
  const [least, most, deviations] = [Math.min(...bends), Math.max(...bends), deviation(luma) + constants.noise];

  const quarter = Math.floor(size / 4);
  const inMiddle = (place: number): boolean => place >= quarter && place < size - quarter;
  const around = surround(luma, (place) => inMiddle(place % size) && inMiddle(Math.floor(place / size)));
  let clipped = 0;
  let hidden = 0;
  let glare = 0;
  let reds = 0;
  let blues = 0;
  for (let i = 0; i < n; i++) {
    const [red, green, blue] = [image[3 * i]!, image[3 * i + 1]!, image[3 * i + 2]!];
    reds += red;
    blues += blue;
    const low = Math.min(red, green, blue);
    const tint = Math.max(red, green, blue) - low;
    const nearWhite = low >= constants.glare_floor && tint <= constants.glare_tint;
    const shining = nearWhite && luma[i]! >= around + constants.highlight_step;
    if (low >= constants.white) clipped++;
    if ((shining || low >= constants.white) && inMiddle(i % size) && inMiddle(Math.floor(i / size))) hidden++;
    if (nearWhite && luma[i]! * n >= total + constants.glare_step * n) glare++;
  }
  const edges = Math.sqrt(laplacian / (16 * cells));
  return {
    sharpness: edges / deviations,
    least_sharpness: Math.sqrt(least / (32 * cells)) / deviations,
    evenness: most > 0 ? Math.sqrt(least / most) : 1,
    detail: edges / 255,
    echo: echoOf(pairs, across),
    brightness: total / (255 * n),
    clipped: clipped / n,
    highlight: hidden / (size - 2 * quarter) ** 2,
    glare: glare / n,
    contrast: deviation(blockSums(luma, size, block).sums) / (255 * block * block),
    colour: colourOf(image, size),
    warmth: (reds - blues) / Math.max(1, reds + blues),
    region_px: null,
    reasons: [],
  };
}

/** The level that nine tenths of the pixels outside the middle are not above. */
function surround(luma: ArrayLike<number>, inMiddle: (place: number) => boolean): number {
  const counts = new Array<number>(256).fill(0);
  for (let i = 0; i < luma.length; i++) if (!inMiddle(i)) counts[luma[i]!]!++;
  const all = counts.reduce((total, count) => total + count, 0);
  let upto = 0;
  return counts.findIndex((count) => 10 * (upto += count) >= constants.surround_tenths * all);
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
    glare: figures.glare > limits.glare_max || figures.highlight > limits.highlight_max,
    blurred:
      figures.sharpness < limits.sharpness_min ||
      figures.detail < limits.detail_min ||
      (figures.least_sharpness < limits.least_sharpness_min && figures.evenness < limits.evenness_min),
    doubled: figures.echo > limits.echo_max,
    uniform,
    colourless: figures.colour < limits.colour_min && !uniform,
    blue_cast: figures.warmth < limits.warmth_min,
  };
  const reasons = (Object.keys(faults) as Reason[]).filter((reason) => faults[reason]);
  return { ...figures, region_px: regionPx, reasons };
}
