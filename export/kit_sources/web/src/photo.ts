/** Photographs and video frames in a browser: the browser decodes and converts to sRGB; alpha goes on white. */

import { constants } from "./constants.js";
import { CaptureError } from "./errors.js";
import { heicLacksPart, isHdrHeic } from "./heic.js";
import { orientationOf, uprightLayout, withoutExif, withOrientation } from "./orientation.js";
import { hasHdrProfile } from "./profile.js";
import { centreSquare, checkBox, checkSize, type Box, type Capture, Resampler } from "./resample.js";
import {
  ascii, bigEndian, isConvertedJpeg, isHdrPng, isJpeg, isPng, isWebp, jpegLacksPart, lastIndexOf, pngLacksPart,
  webpLacksPart,
} from "./structure.js";

const BAND_PIXELS = 1 << 20;
const HEIC_BRANDS = ["heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs"];

function checkBytes(count: number): void {
  const limit = constants.max_bytes;
  if (count > limit) throw new CaptureError("too_many_bytes", `${count} bytes, the limit is ${limit}`);
}

function isHeic(data: Uint8Array): boolean {
  if (ascii(data, 4, 8) !== "ftyp") return false;
  const brands = ascii(data, 8, Math.min(bigEndian(data, 0, 4), 256));
  return (brands.match(/[^]{4}/g) ?? []).some((brand) => HEIC_BRANDS.includes(brand));
}

/**
 * Accept JPEG, PNG, WebP and HEIC that are whole: browsers show a picture that was cut off with a grey rest. A copy that
 * was interrupted may have its full length, with zeros for the rest: that is seen of all but progressive JPEG with an end.
 * In high dynamic range, read as sRGB, a picture is flat, and what is referred otherwise may be reassured.
 *
 * @throws CaptureError another format, truncated, empty, over 64 MiB or in high dynamic range.
 */
export function checkFile(data: Uint8Array): void {
  if (!data.length) throw new CaptureError("unreadable", "the file is empty");
  checkBytes(data.length);
  let complete = true;
  let hdr = false;
  if (isJpeg(data)) {
    complete = !jpegLacksPart(data);
  } else if (isPng(data)) {
    complete = lastIndexOf(data, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82) > 0 && !pngLacksPart(data);
    hdr = isHdrPng(data);
  } else if (isWebp(data)) {
    complete = data.length >= 8 + new DataView(data.buffer, data.byteOffset).getUint32(4, true) && !webpLacksPart(data);
  } else if (isHeic(data)) {
    complete = !heicLacksPart(data);
    hdr = complete && isHdrHeic(data);
  } else {
    throw new CaptureError("format", "not a JPEG, PNG, WebP or HEIC image");
  }
  if (!complete) throw new CaptureError("truncated", "the end of the image is missing");
  const remedy = "export it as JPEG or take it again without HDR";
  if (hdr || hasHdrProfile(data)) throw new CaptureError("high_dynamic_range", `a high dynamic range picture; ${remedy}`);
}

/**
 * Whether the row that was stored last ends in the grey that JPEG decoders leave where the data end early but an end marker
 * follows. Where colours are converted it is another grey; or, in the whole row, any one colour.
 *
 * @param rgba pixels of a part of the upright picture.
 */
export function endsUnwritten(
  right: number, bottom: number, orientation: number, converted: boolean, rgba: (edge: Box) => Iterable<ArrayLike<number>>,
): boolean {
  const edge: Box = { left: 0, top: 0, right, bottom };
  if (orientation >= 5) Object.assign(edge, orientation === 5 || orientation === 8 ? { left: right - 1 } : { right: 1 });
  else Object.assign(edge, orientation <= 2 ? { top: bottom - 1 } : { bottom: 1 });
  const row = Array.from(rgba(edge)).flatMap((data) => Array.from(data)).filter((_, at) => at % 4 !== 3);
  const turned = [2, 3, 7, 8].includes(orientation); // what was stored last comes first
  const corner = turned ? row.slice(0, 3 * constants.unwritten_pixels) : row.slice(-3 * constants.unwritten_pixels);
  const last = turned ? row.slice(0, 3) : row.slice(-3);
  const [least, most] = constants.unwritten_range as [number, number];
  const isOf = (levels: number[], colour: number[]): boolean =>
    levels.every((level, at) => {
      const wanted = colour[at % colour.length]!;
      return wanted >= least && wanted <= most && Math.abs(level - wanted) <= 1;
    });
  return isOf(corner, converted ? last.slice(2) : [constants.unwritten]) || (converted && isOf(row, last));
}

/** An upright photograph; `close` it when done. */
export async function openPhoto(file: Blob): Promise<ImageBitmap> {
  checkBytes(file.size);
  let bitmap: ImageBitmap;
  let data: Uint8Array;
  try {
    data = new Uint8Array(await file.arrayBuffer());
    checkFile(data);
    bitmap = await decodeUpright(data, file.type);
  } catch (error) {
    if (error instanceof CaptureError) throw error;
    throw new CaptureError("unreadable", `the browser cannot decode it (${(error as Error).message})`);
  }
  checkSize(bitmap.width, bitmap.height);
  const rgba = (edge: Box): Uint8ClampedArray[] => [...bands(bitmap, edge)].map(({ data }) => data);
  if (isJpeg(data) && endsUnwritten(bitmap.width, bitmap.height, orientationOf(data), isConvertedJpeg(data), rgba)) {
    throw new CaptureError("truncated", "the lower part of the image is missing");
  }
  return bitmap;
}

/**
 * What turns a picture is read here, and browsers see no EXIF that they may read otherwise. None of them lets it be ignored:
 * Chromium takes "none" for "from-image". They turn JPEGs, and HEIC as its container says, in less memory and time.
 */
async function decodeUpright(data: Uint8Array, type: string): Promise<ImageBitmap> {
  const orientation = orientationOf(data);
  const plain = withoutExif(data);
  const parts = isJpeg(data) ? withOrientation(plain, orientation) : [plain];
  const bitmap = await createImageBitmap(new Blob(parts, { type }), { imageOrientation: "from-image", premultiplyAlpha: "default" });
  if (isJpeg(data) || orientation === 1) return bitmap;
  try {
    checkSize(bitmap.width, bitmap.height);
    return await createImageBitmap(turned(bitmap, orientation));
  } finally {
    bitmap.close();
  }
}

function turned(stored: ImageBitmap, orientation: number): ImageData {
  const { width, height, first, across, down } = uprightLayout(stored.width, stored.height, orientation);
  const upright = new ImageData(width, height);
  const target = new Uint32Array(upright.data.buffer);
  let row = first;
  for (const band of bands(stored, { left: 0, top: 0, right: stored.width, bottom: stored.height })) {
    const source = new Uint32Array(band.data.buffer);
    for (let from = 0; from < source.length; row += down) {
      for (let x = 0, to = row; x < stored.width; x++, to += across) target[to] = source[from++]!;
    }
  }
  return upright;
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
