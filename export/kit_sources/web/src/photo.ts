/** Photographs and video frames in a browser: the browser decodes, turns upright and converts to sRGB; alpha goes on white. */

import { constants } from "./constants.js";
import { CaptureError } from "./errors.js";
import { centreSquare, checkBox, checkSize, type Box, type Capture, Resampler } from "./resample.js";

const BAND_PIXELS = 1 << 20;
const HEIC_BRANDS = ["heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs"];

const ascii = (data: Uint8Array, from: number, to: number): string => String.fromCharCode(...data.subarray(from, to));

function lastIndexOf(data: Uint8Array, ...bytes: number[]): number {
  let at = data.length - bytes.length;
  while (at >= 0 && !bytes.every((byte, offset) => data[at + offset] === byte)) at--;
  return at;
}

/** Where a JPEG's first scan starts; -1 if none is found. A thumbnail in the EXIF segment does not count. */
function firstScan(data: Uint8Array): number {
  let at = 2;
  while (at + 4 <= data.length && data[at] === 0xff) {
    if (data[at + 1] === 0xda) return at;
    at += data[at + 1] === 0xff ? 1 : 2 + data[at + 2]! * 256 + data[at + 3]!;
  }
  return -1;
}

/** Where the next marker starts that ends a scan's data; the file's length if there is none. */
function nextMarker(data: Uint8Array, from: number): number {
  for (let at = data.indexOf(0xff, from); at >= 0 && at + 1 < data.length; at = data.indexOf(0xff, at + 1)) {
    const kind = data[at + 1]!;
    if (kind > 0x01 && kind < 0xff && !(kind >= 0xd0 && kind <= 0xd7)) return at;
  }
  return data.length;
}

/** Whether 23 zeros follow one another, or from 16 on, depending on where. */
function hasZeros(data: Uint8Array, from: number, to: number): boolean {
  let words = 0;
  for (let at = from; at + 8 <= to; at += 8) {
    words = data.subarray(at, at + 8).some(Boolean) ? 0 : words + 1;
    if (words > 1) return true;
  }
  return false;
}

/**
 * Whether a JPEG lacks a part that a copy of full length has as zeros: `_check_jpeg` of mobile_runtime/structure.py. It can be
 * told of a baseline JPEG alone, and of one whose code of zeros does not stand for small coefficients.
 */
function jpegLacksPart(data: Uint8Array): boolean {
  const zeroSymbols = new Map<number, number>();
  let at = 0;
  let sequential = false;
  let telling = false;
  for (;;) {
    const marker = nextMarker(data, at);
    if (telling && hasZeros(data, at, marker)) return true;
    telling = false;
    const kind = data[marker + 1];
    if (kind === undefined || kind === 0xd9) return false;
    at = marker + 2;
    if (kind === 0xd8) continue;
    const begin = at + 2;
    at += Math.max(2, (data[at] ?? 0) * 256 + (data[at + 1] ?? 0));
    if (kind === 0xc0 || kind === 0xc1) sequential = true;
    // Of each table of AC codes, what a code of zeros stands for (ITU-T T.81, B.2.4.2, C.2).
    for (let table = begin; kind === 0xc4 && table + 17 < Math.min(at, data.length); ) {
      const count = data.subarray(table + 1, table + 17).reduce((sum, codes) => sum + codes, 0);
      if (data[table]! >> 4 === 1 && count) zeroSymbols.set(data[table]! & 15, data[table + 17]!);
      table += 17 + count;
    }
    if (kind === 0xda) telling = sequential && (zeroSymbols.get((data[begin + 2] ?? 0) & 15) ?? 0) !== 0;
  }
}

/**
 * Whether a WebP's picture ends in zeros, or a lossy one has a run of them, as no whole photograph has. Of drawings with plain
 * areas some are refused for it that Python, which looks at the pixels, too, accepts.
 */
function webpLacksPart(data: Uint8Array): boolean {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  let at = 12;
  let end = Math.min(data.length, 8 + view.getUint32(4, true));
  while (at + 8 <= end) {
    const kind = ascii(data, at, at + 4);
    const length = view.getUint32(at + 4, true);
    const stop = Math.min(end, at + 8 + length);
    if (kind === "VP8 " || kind === "VP8L") {
      let zeros = 0;
      for (let i = at + 8; i < stop; i++) {
        zeros = data[i] ? 0 : zeros + 1;
        if (kind === "VP8 " && zeros > constants.max_zeros) return true;
      }
      return zeros > constants.max_zeros;
    }
    if (kind === "ANMF") end = stop; // the first picture counts
    at = kind === "ANMF" ? at + 24 : at + 8 + length + (length % 2);
  }
  return false;
}

function checkBytes(count: number): void {
  const limit = constants.max_bytes;
  if (count > limit) throw new CaptureError("too_many_bytes", `${count} bytes, the limit is ${limit}`);
}

/**
 * Accept JPEG, PNG, WebP and HEIC whose end is there: browsers show a picture that was cut off with a grey rest. A copy that
 * was interrupted may have its full length, with zeros for the rest: that is seen of WebP and baseline JPEG.
 *
 * @throws CaptureError another format, truncated, empty or over 64 MiB.
 */
export function checkFile(data: Uint8Array): void {
  if (!data.length) throw new CaptureError("unreadable", "the file is empty");
  checkBytes(data.length);
  let complete = true;
  if (data[0] === 0xff && data[1] === 0xd8 && data[2] === 0xff) {
    const scan = firstScan(data);
    complete = scan >= 0 && lastIndexOf(data, 0xff, 0xd9) > scan && !jpegLacksPart(data);
  } else if (ascii(data, 0, 8) === "\x89PNG\r\n\x1a\n") {
    complete = lastIndexOf(data, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82) > 0;
  } else if (ascii(data, 0, 4) === "RIFF" && ascii(data, 8, 12) === "WEBP") {
    complete = data.length >= 8 + new DataView(data.buffer, data.byteOffset).getUint32(4, true) && !webpLacksPart(data);
  } else if (ascii(data, 4, 8) !== "ftyp" || !HEIC_BRANDS.some((brand) => ascii(data, 8, 256).includes(brand))) {
    throw new CaptureError("format", "not a JPEG, PNG, WebP or HEIC image");
  }
  if (!complete) throw new CaptureError("truncated", "the end of the image is missing");
}

/**
 * Whether an edge is the grey that JPEG decoders leave where the data end early but an end marker follows. Which edge was stored
 * last depends on the orientation; one level is for colour profiles.
 */
function endsUnwritten(photo: ImageBitmap): boolean {
  const { width: right, height: bottom } = photo;
  const edges: Box[] = [
    { left: 0, top: bottom - 1, right, bottom },
    { left: 0, top: 0, right, bottom: 1 },
    { left: 0, top: 0, right: 1, bottom },
    { left: right - 1, top: 0, right, bottom },
  ];
  return edges.some((edge) =>
    [...bands(photo, edge)].every(({ data }) => data.every((value, at) => at % 4 === 3 || Math.abs(value - constants.unwritten) <= 1)),
  );
}

/** An upright photograph; `close` it when done. */
export async function openPhoto(file: Blob): Promise<ImageBitmap> {
  checkBytes(file.size);
  let bitmap: ImageBitmap;
  let jpeg = false;
  try {
    const data = new Uint8Array(await file.arrayBuffer());
    checkFile(data);
    jpeg = data[0] === 0xff;
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image", premultiplyAlpha: "default" });
  } catch (error) {
    if (error instanceof CaptureError) throw error;
    throw new CaptureError("unreadable", `the browser cannot decode it (${(error as Error).message})`);
  }
  checkSize(bitmap.width, bitmap.height);
  if (jpeg && endsUnwritten(bitmap)) throw new CaptureError("truncated", "the lower part of the image is missing");
  return bitmap;
}

/** Rows of a drawable's region as RGBA on white, at one canvas pixel per source pixel. */
function* bands(source: CanvasImageSource, { left, top, right, bottom }: Box): Generator<ImageData> {
  const width = right - left;
  const height = Math.min(bottom - top, Math.max(1, Math.floor(BAND_PIXELS / width)));
  const canvas = new OffscreenCanvas(width, height);
  // In main memory: every pixel is read back, and graphics memory may round on the way.
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  if (!context) throw new CaptureError("unreadable", "the browser gives no canvas");
  context.imageSmoothingEnabled = false;
  for (let y = top; y < bottom; y += height) {
    const rows = Math.min(height, bottom - y);
    context.fillStyle = "#fff";
    context.fillRect(0, 0, width, rows);
    context.drawImage(source, left, y, width, rows, 0, 0, width, rows);
    yield context.getImageData(0, 0, width, rows);
  }
}

/** Capture normalization of a photograph or of a video's present frame, of the given size in pixels. */
export function normalizeDrawable(source: CanvasImageSource, width: number, height: number, size: number, box?: Box): Capture {
  checkSize(width, height);
  const region = box ? checkBox(box, width, height) : centreSquare(width, height);
  const resampler = new Resampler(region.right - region.left, region.bottom - region.top, size);
  for (const { width: columns, height: rows, data } of bands(source, region)) {
    resampler.push({ width: columns, height: rows, channels: 4, data });
  }
  return { image: resampler.finish(), regionPx: Math.min(region.right - region.left, region.bottom - region.top) };
}

/** All pixels of a photograph, for comparing decoders; a large one takes four bytes a pixel. */
export function readPixels(source: ImageBitmap): Uint8Array {
  const { width, height } = source;
  const rgb = new Uint8Array(width * height * 3);
  let at = 0;
  for (const { data } of bands(source, { left: 0, top: 0, right: width, bottom: height })) {
    for (let i = 0; i < data.length; i += 4) rgb.set(data.subarray(i, i + 3), (at += 3) - 3);
  }
  return rgb;
}
