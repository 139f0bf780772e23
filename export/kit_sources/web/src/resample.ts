/** Framing and resampling: integer arithmetic, the same bits as mobile_runtime/resample.py and Pillow. */

import { constants } from "./constants.js";
import { CaptureError } from "./errors.js";

/** Upright 8-bit sRGB pixels, row by row; a fourth channel is ignored, so composite it on white before. */
export interface Pixels {
  width: number;
  height: number;
  channels: 3 | 4;
  data: Uint8Array | Uint8ClampedArray;
}

/** Pixels of the upright image; right and bottom are exclusive. */
export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** The largest centred square; the odd pixel, if any, is left at the right or bottom. */
export function centreSquare(width: number, height: number): Box {
  const side = Math.min(width, height);
  const left = Math.floor((width - side) / 2);
  const top = Math.floor((height - side) / 2);
  return { left, top, right: left + side, bottom: top + side };
}

const isCount = (value: number): boolean => Number.isInteger(value) && value > 0;

/** Accept whole numbers, neither less than `min_side` pixels a side nor more than `max_pixels`. */
export function checkSize(width: number, height: number): void {
  if (![width, height].every(Number.isInteger)) throw new CaptureError("frame", `${width}x${height} are no whole numbers of pixels`);
  const { min_side: least, max_pixels: most } = constants;
  if (Math.min(width, height) < least) {
    throw new CaptureError("too_few_pixels", `${width}x${height} is under ${least} pixels a side`);
  }
  if (width * height > most) throw new CaptureError("too_many_pixels", `${width}x${height} is over ${most} pixels`);
}

/** Accept a box of whole pixels inside the image, square to one pixel: squashing a lesion changes its score. */
export function checkBox(box: Box, width: number, height: number): Box {
  const { left, top, right, bottom } = box;
  const inside = 0 <= left && left < right && right <= width && 0 <= top && top < bottom && bottom <= height;
  const [w, h] = [right - left, bottom - top];
  if (![left, top, right, bottom].every(Number.isInteger) || !inside || Math.min(w, h) < constants.min_side || Math.abs(w - h) > 1) {
    throw new CaptureError("box", `box ${left},${top},${right},${bottom} does not fit the ${width}x${height} image`);
  }
  return box;
}

/** Accept a buffer that has every pixel: of those that it lacks a verdict would rest on black. */
function checkPixels({ width, height, channels, data }: Pixels): void {
  const fits = isCount(width) && isCount(height) && (channels === 3 || channels === 4) && data.length === width * height * channels;
  if (!fits) throw new CaptureError("frame", `${data.length} bytes are no picture of ${width}x${height} with ${channels} channels`);
}

interface Weights {
  first: Int32Array;
  count: Int32Array;
  values: Int32Array;
  stride: number;
}

const PRECISION = constants.weight_bits;
const HALF = 1 << (PRECISION - 1);

/** The triangle filter's fixed-point weights from `length` to `size` pixels. */
function triangle(length: number, size: number): Weights {
  const scale = length / size;
  const support = Math.max(scale, 1);
  const inverse = 1 / support;
  const stride = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(size);
  const count = new Int32Array(size);
  const values = new Int32Array(size * stride);
  const row = new Float64Array(stride);
  for (let i = 0; i < size; i++) {
    const centre = (i + 0.5) * scale;
    const from = Math.max(0, Math.trunc(centre - support + 0.5));
    const to = Math.min(length, Math.trunc(centre + support + 0.5));
    let sum = 0;
    for (let j = from; j < to; j++) {
      const distance = Math.abs((j - centre + 0.5) * inverse);
      sum += row[j - from] = distance < 1 ? 1 - distance : 0;
    }
    for (let j = 0; j < to - from; j++) values[i * stride + j] = Math.trunc(0.5 + (row[j]! / sum) * (1 << PRECISION));
    first[i] = from;
    count[i] = to - from;
  }
  return { first, count, values, stride };
}

const toByte = (sum: number): number => {
  const value = sum >> PRECISION;
  return value < 0 ? 0 : value > 255 ? 255 : value;
};

/**
 * Resamples a picture that comes in bands of rows, so that a large photograph need not be in memory at once.
 *
 * The horizontal pass, which treats each row alone, runs as rows come in; its result is uint8, as in Pillow.
 */
export class Resampler {
  private readonly across: Weights;
  private readonly rows: Uint8Array;
  private filled = 0;

  /**
   * For a region of `width` x `height` pixels that becomes `size` x `size`.
   *
   * @throws CaptureError one of them is no whole number, or the size is not from 1 to `max_target`.
   */
  constructor(private readonly width: number, private readonly height: number, private readonly size: number) {
    const fits = isCount(width) && isCount(height) && isCount(size) && size <= constants.max_target;
    if (!fits) throw new CaptureError("frame", `${width}x${height} to ${size}: give whole numbers, to 1 up to ${constants.max_target}`);
    this.across = triangle(width, size);
    this.rows = new Uint8Array(size * height * 3);
  }

  /**
   * Take the region's next rows from a picture in which the region's first pixel is at (`left`, `top`).
   *
   * @throws CaptureError the buffer is not of its size, or does not have those rows.
   */
  push(band: Pixels, left = 0, top = 0, count = band.height - top): void {
    checkPixels(band);
    const inside = [left, top].every((start) => Number.isInteger(start) && start >= 0) && isCount(count)
      && left + this.width <= band.width && top + count <= band.height && this.filled + count <= this.height;
    if (!inside) throw new CaptureError("frame", `${count} rows at ${left},${top} are not in a band of ${band.width}x${band.height}`);
    const { first, count: taps, values, stride } = this.across;
    const { data, channels } = band;
    for (let y = 0; y < count; y++) {
      const source = ((top + y) * band.width + left) * channels;
      let target = (this.filled + y) * this.size * 3;
      for (let x = 0; x < this.size; x++) {
        let at = source + first[x]! * channels;
        let [red, green, blue] = [HALF, HALF, HALF];
        for (let k = x * stride, end = k + taps[x]!; k < end; k++, at += channels) {
          const weight = values[k]!;
          red += weight * data[at]!;
          green += weight * data[at + 1]!;
          blue += weight * data[at + 2]!;
        }
        this.rows[target++] = toByte(red);
        this.rows[target++] = toByte(green);
        this.rows[target++] = toByte(blue);
      }
    }
    this.filled += count;
  }

  /** The vertical pass: uint8 RGB [size, size, 3]. */
  finish(): Uint8Array<ArrayBuffer> {
    if (this.filled !== this.height) throw new CaptureError("unreadable", `${this.filled} of ${this.height} rows came`);
    const { first, count, values, stride } = triangle(this.height, this.size);
    const rowLength = this.size * 3;
    const result = new Uint8Array(this.size * rowLength);
    const sums = new Int32Array(rowLength);
    for (let y = 0; y < this.size; y++) {
      sums.fill(HALF);
      for (let k = 0; k < count[y]!; k++) {
        const weight = values[y * stride + k]!;
        const source = (first[y]! + k) * rowLength;
        for (let x = 0; x < rowLength; x++) sums[x]! += weight * this.rows[source + x]!;
      }
      for (let x = 0; x < rowLength; x++) result[y * rowLength + x] = toByte(sums[x]!);
    }
    return result;
  }
}

/** What the model gets, and the side of the square it was made from, in pixels of the source. */
export interface Capture {
  image: Uint8Array<ArrayBuffer>;
  regionPx: number;
}

/** Upright pixels to the model's input: the box, else the centre square, resampled to uint8 RGB [size, size, 3]. */
export function normalize(pixels: Pixels, size: number, box?: Box): Capture {
  checkSize(pixels.width, pixels.height);
  const { left, top, right, bottom } = box ? checkBox(box, pixels.width, pixels.height) : centreSquare(pixels.width, pixels.height);
  const resampler = new Resampler(right - left, bottom - top, size);
  resampler.push(pixels, left, top, bottom - top);
  return { image: resampler.finish(), regionPx: Math.min(right - left, bottom - top) };
}
