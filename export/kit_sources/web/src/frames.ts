/** Camera frames as planes with strides: mobile_runtime/frames.py. A browser hands over RGBA; this is for native shells. */

import { constants } from "./constants.js";
import { CaptureError } from "./errors.js";
import { checkSize, type Pixels } from "./resample.js";

export interface Plane {
  data: Uint8Array;
  rowStride: number;
  pixelStride: number;
}

export interface CameraFrame {
  layout: "rgb" | "rgba" | "bgra" | "yuv_420_888" | "nv21" | "nv12";
  width: number;
  height: number;
  planes: Plane[];
  matrix: "bt601" | "bt709" | null;
  valueRange: "full" | "limited" | null;
  rotation: 0 | 90 | 180 | 270;
  mirrored: boolean;
}

const CHANNELS: Partial<Record<CameraFrame["layout"], number>> = { rgb: 3, rgba: 4, bgra: 4 };
const PLANES: Record<CameraFrame["layout"], number[]> = {
  rgb: [1], rgba: [1], bgra: [1], yuv_420_888: [3], nv21: [1, 2], nv12: [1, 2],
};

type Samples = (x: number, y: number, channel?: number) => number;

function samples(plane: Plane, rows: number, columns: number, channels: number): Samples {
  const rowBytes = (columns - 1) * plane.pixelStride + channels;
  const whole = Number.isInteger(plane.pixelStride) && Number.isInteger(plane.rowStride);
  const fits = whole && plane.pixelStride >= channels && plane.rowStride >= rowBytes;
  if (!fits || plane.data.length < (rows - 1) * plane.rowStride + rowBytes) {
    throw new CaptureError("frame", `a plane is too short for ${columns}x${rows} and its strides`);
  }
  const { data, rowStride, pixelStride } = plane;
  return (x, y, channel = 0) => data[y * rowStride + x * pixelStride + channel]!;
}

function chroma(frame: CameraFrame): { u: Samples; v: Samples } {
  const [columns, rows] = [frame.width / 2, frame.height / 2];
  if (frame.layout === "yuv_420_888") {
    return { u: samples(frame.planes[1]!, rows, columns, 1), v: samples(frame.planes[2]!, rows, columns, 1) };
  }
  const luma = frame.planes[0]!;
  const rest = { data: luma.data.subarray(luma.rowStride * frame.height), rowStride: luma.rowStride, pixelStride: 2 };
  const pairs = samples(frame.planes[1] ?? rest, rows, columns, 2);
  const first: Samples = (x, y) => pairs(x, y, 0);
  const second: Samples = (x, y) => pairs(x, y, 1);
  return frame.layout === "nv21" ? { u: second, v: first } : { u: first, v: second };
}

const clip = (value: number): number => (value < 0 ? 0 : value > 255 ? 255 : value);

/** Cameras are opaque: where the fourth byte is not the same in all pixels, it is a colour. */
function checkOpaque({ layout, width, height }: CameraFrame, pixel: Samples): void {
  const first = pixel(0, 0, 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (pixel(x, y, 3) !== first) {
        throw new CaptureError("frame", `the fourth byte of ${layout} differs from pixel to pixel: is it ARGB?`);
      }
    }
  }
}

/** Reads one sensor pixel into `target` at `at`. */
function reader(frame: CameraFrame): (x: number, y: number, target: Uint8Array, at: number) => void {
  const { layout, width, height } = frame;
  const channels = CHANNELS[layout];
  if (channels) {
    const pixel = samples(frame.planes[0]!, height, width, channels);
    if (channels === 4) checkOpaque(frame, pixel);
    const [red, blue] = layout === "bgra" ? [2, 0] : [0, 2];
    return (x, y, target, at) => {
      target[at] = pixel(x, y, red);
      target[at + 1] = pixel(x, y, 1);
      target[at + 2] = pixel(x, y, blue);
    };
  }
  const coefficients = constants.coefficients[`${frame.matrix} ${frame.valueRange}` as keyof typeof constants.coefficients];
  if (!coefficients || width % 2 || height % 2) throw new CaptureError("frame", `${layout} needs even sides, a matrix and a range`);
  const [offset, gain, vRed, uGreen, vGreen, uBlue] = coefficients as [number, number, number, number, number, number];
  const { chroma_zero: zero, fraction_bits: bits } = constants;
  const luma = samples(frame.planes[0]!, height, width, 1);
  const { u, v } = chroma(frame);
  return (x, y, target, at) => {
    const bright = (luma(x, y) - offset) * gain + (1 << (bits - 1));
    const [blue, red] = [u(x >> 1, y >> 1) - zero, v(x >> 1, y >> 1) - zero];
    target[at] = clip((bright + vRed * red) >> bits);
    target[at + 1] = clip((bright + uGreen * blue + vGreen * red) >> bits);
    target[at + 2] = clip((bright + uBlue * blue) >> bits);
  };
}

/**
 * The upright picture: colours, then the clockwise rotation, then the mirroring from left to right.
 *
 * @throws CaptureError a field is unknown, a size is odd or no whole number, or a plane is too short for its strides.
 */
export function toRgb(frame: CameraFrame): Pixels {
  checkSize(frame.width, frame.height);
  if (!Object.hasOwn(PLANES, frame.layout)) throw new CaptureError("frame", `layout ${frame.layout} is none that is known`);
  if (!PLANES[frame.layout].includes(frame.planes.length)) {
    throw new CaptureError("frame", `${frame.layout} does not have ${frame.planes.length} plane(s)`);
  }
  if (![0, 90, 180, 270].includes(frame.rotation)) throw new CaptureError("frame", `rotation ${frame.rotation} is not 0, 90, 180 or 270`);
  const read = reader(frame);
  const turned = frame.rotation % 180 !== 0;
  const [width, height] = turned ? [frame.height, frame.width] : [frame.width, frame.height];
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < frame.height; y++) {
    for (let x = 0; x < frame.width; x++) {
      let [column, row] = [x, y];
      if (frame.rotation === 90) [column, row] = [frame.height - 1 - y, x];
      else if (frame.rotation === 180) [column, row] = [frame.width - 1 - x, frame.height - 1 - y];
      else if (frame.rotation === 270) [column, row] = [y, frame.width - 1 - x];
      if (frame.mirrored) column = width - 1 - column;
      read(x, y, data, (row * width + column) * 3);
    }
  }
  return { width, height, channels: 3, data };
}
