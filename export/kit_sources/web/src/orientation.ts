/**
 * How EXIF says that a picture is turned, read from the bytes as the Python runtime reads it. Browsers go by some of it only, not
 * by EXIF of a WebP, of a PNG behind its pixels or in a long number, and a verdict would rest on a picture on its side.
 */

import { constants } from "./constants.js";
import { ascii, bigEndian, crc32, isJpeg, isPng, isWebp, joined, nextMarker, Outside, pngChunks } from "./structure.js";

/** A part of a file with EXIF; `name` is where it says that it is one. */
interface Part {
  name: number;
  begin: number;
  end: number;
}

/** Sides of the upright picture, the place in it of the first stored pixel, and steps to the next column and row stored. */
interface Layout {
  width: number;
  height: number;
  first: number;
  across: number;
  down: number;
}

const HEAD = "Exif\0\0";
/** Headers that Pillow reads on from: also with the number 42 in the other byte order, and with a larger one. */
const TIFF = ["MM\0*", "II*\0", "MM*\0", "II\0*", "MM\0+"];
const ORIENTATION = 0x0112;
/** Bytes of a value of each type (TIFF 6.0, section 2, and its supplement). */
const BYTES: Record<number, number> = { 1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8 };

/** EXIF orientation, 1 to 8; 1 where there is none, and of HEIC, which decoders turn as the container says. */
export function orientationOf(data: Uint8Array): number {
  try {
    const value = firstOrientation(exifOf(data));
    return value >= 1 && value < 9 ? Math.trunc(value) : 1;
  } catch (error) {
    if (error instanceof Outside || error instanceof RangeError) return 1; // RangeError: DataView's
    throw error;
  }
}

/** A copy of the file in which no decoder finds EXIF, so that none turns the picture. */
export function withoutExif(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(data);
  const png = isPng(data);
  for (const { name, end } of exifParts(data)) {
    copy[name] = 0x70; // p: a name that nobody knows
    if (png && end + 4 <= copy.length) new DataView(copy.buffer).setUint32(end, crc32(copy, name, end));
  }
  return copy;
}

/** A JPEG's bytes, without EXIF of its own, with this orientation in the one way that all browsers know. */
export function withOrientation(jpeg: Uint8Array<ArrayBuffer>, orientation: number): Uint8Array<ArrayBuffer>[] {
  const tiff = [0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0];
  const body = [0, 0, ...Array.from(HEAD, (letter) => letter.charCodeAt(0)), ...tiff];
  body[1] = body.length;
  return [jpeg.subarray(0, 2), Uint8Array.of(0xff, 0xe1, ...body), jpeg.subarray(2)];
}

/** Where the pixels of a picture go that is stored with these sides. */
export function uprightLayout(width: number, height: number, orientation: number): Layout {
  const sideways = orientation >= 5;
  const columns = sideways ? height : width;
  const [across, down] = sideways ? [columns, 1] : [1, columns];
  const backwards = [2, 3, 7, 8].includes(orientation);
  const upwards = [3, 4, 6, 7].includes(orientation);
  return {
    width: columns,
    height: sideways ? width : height,
    first: (backwards ? (width - 1) * across : 0) + (upwards ? (height - 1) * down : 0),
    across: backwards ? -across : across,
    down: upwards ? -down : down,
  };
}

function exifOf(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const parts = [...exifParts(data)];
  if (isPng(data)) parts.splice(0, parts.length - 1);
  if (isWebp(data)) parts.splice(ascii(data, 12, 16) === "VP8X" && data[20]! & 8 ? 1 : 0);
  return joined(parts.map(({ begin, end }) => data.subarray(begin, end)));
}

/** The value of the first entry for it, of whatever type; NaN where there is none. */
function firstOrientation(exif: Uint8Array<ArrayBuffer>): number {
  let start = 0;
  while (ascii(exif, start, start + HEAD.length) === HEAD) start += HEAD.length;
  const tiff = new DataView(exif.buffer, start);
  if (!TIFF.includes(ascii(exif, start, start + 4))) return NaN;
  const little = exif[start] === 0x49;
  let entry = tiff.getUint32(4, little) + 2;
  let elsewhere = 0;
  for (let left = tiff.getUint16(entry - 2, little); left > 0; left--, entry += 12) {
    const offset = tiff.getUint32(entry + 8, little);
    const type = tiff.getUint16(entry + 2, little);
    const size = tiff.getUint32(entry + 4, little) * (BYTES[type] ?? 0);
    if (size > 4) {
      elsewhere += size;
      if (elsewhere > tiff.byteLength) continue;
      if (offset + size > tiff.byteLength) return NaN; // where Pillow stops
    }
    if (size && tiff.getUint16(entry, little) === ORIENTATION) {
      return valueAt(tiff, type, size, size > 4 ? offset : entry + 8, little);
    }
  }
  return NaN;
}

function valueAt(tiff: DataView, type: number, size: number, at: number, little: boolean): number {
  const alone = size === 1 || (type === 2 && size === 2 && !tiff.getUint8(at + 1));
  switch (type) {
    case 1: case 2: case 7: return alone ? tiff.getUint8(at) - 0x30 : NaN; // a digit
    case 3: return tiff.getUint16(at, little);
    case 4: case 13: return tiff.getUint32(at, little);
    case 5: return tiff.getUint32(at, little) / tiff.getUint32(at + 4, little);
    case 6: return tiff.getInt8(at);
    case 8: return tiff.getInt16(at, little);
    case 9: return tiff.getInt32(at, little);
    case 10: return tiff.getInt32(at, little) / tiff.getInt32(at + 4, little);
    case 11: return tiff.getFloat32(at, little);
    case 12: return tiff.getFloat64(at, little);
    case 16: return Number(tiff.getBigUint64(at, little));
    default: return NaN;
  }
}

function exifParts(data: Uint8Array): Iterable<Part> {
  if (isJpeg(data)) return jpegParts(data);
  if (isPng(data)) return pngParts(data);
  return isWebp(data) ? webpParts(data) : [];
}

/** Of the header alone; decoders read one after the other as one. */
function* jpegParts(data: Uint8Array): Generator<Part> {
  let at = 0;
  for (let part = 0; part < constants.max_parts; part++) {
    const marker = nextMarker(data, at);
    const kind = data[marker + 1];
    if (kind === undefined || kind === 0xda) return;
    at = marker + 2;
    if (kind === 0xd8 || kind === 0xd9) continue;
    const name = at + 2;
    at += Math.max(2, bigEndian(data, at, 2));
    const end = Math.min(at, data.length);
    // Some take what has another byte after the name for EXIF, too: it must not turn the picture.
    const known = ascii(data, name, name + HEAD.length) === HEAD;
    if (kind === 0xe1 && ascii(data, name, Math.min(name + 4, end)) === "Exif") yield { name, begin: known ? name + HEAD.length : end, end };
  }
}

/** Before the pixels or behind them; the last one counts. */
function* pngParts(data: Uint8Array): Generator<Part> {
  for (const { kind, begin, end } of pngChunks(data)) {
    if (kind === "eXIf") yield { name: begin - 4, begin, end: Math.min(end, data.length) };
  }
}

/** The first one counts, where the header says that there is one. */
function* webpParts(data: Uint8Array): Generator<Part> {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const stop = Math.min(data.length, 8 + view.getUint32(4, true));
  for (let at = 12; at + 8 <= stop; ) {
    const length = view.getUint32(at + 4, true);
    if (ascii(data, at, at + 4) === "EXIF") yield { name: at, begin: at + 8, end: Math.min(stop, at + 8 + length) };
    at += 8 + length + (length % 2);
  }
}
