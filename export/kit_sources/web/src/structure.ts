/** What browsers show of image files that lack a part: something painted in its place, without an error. */

import { constants } from "./constants.js";

const SEQUENTIAL = [0xc0, 0xc1, 0xc9];
const PROGRESSIVE = [0xc2, 0xca];

export const ascii = (data: Uint8Array, from: number, to: number): string => String.fromCharCode(...data.subarray(from, to));

export function lastIndexOf(data: Uint8Array, ...bytes: number[]): number {
  let at = data.length - bytes.length;
  while (at >= 0 && !bytes.every((byte, offset) => data[at + offset] === byte)) at--;
  return at;
}

/** Where a JPEG's first scan starts; -1 if none is found. A thumbnail in the EXIF segment does not count. */
export function firstScan(data: Uint8Array): number {
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
 * Whether a JPEG lacks a part: `check_jpeg` of mobile_runtime/jpeg_structure.py. Zeros in place of it can be told of a baseline
 * JPEG alone, and of one whose code of zeros does not stand for small coefficients. Otherwise a scan is missing where not every
 * coefficient of every component has come to its last bit (ITU-T T.81, G.1.1).
 */
export function jpegLacksPart(data: Uint8Array): boolean {
  const zeroSymbols = new Map<number, number>();
  let sent = new Map<number, Set<number>>();
  let at = 0;
  let scans = 0;
  let sequential = false;
  let telling = false;
  for (;;) {
    const marker = nextMarker(data, at);
    if (telling && hasZeros(data, at, marker)) return true;
    telling = false;
    const kind = data[marker + 1];
    if (kind === undefined || kind === 0xd9) return [...sent.values()].some((coefficients) => coefficients.size < 64);
    at = marker + 2;
    if (kind === 0xd8) continue;
    const begin = at + 2;
    at += Math.max(2, (data[at] ?? 0) * 256 + (data[at + 1] ?? 0));
    if (SEQUENTIAL.includes(kind) || PROGRESSIVE.includes(kind)) {
      sequential = SEQUENTIAL.includes(kind);
      const components = data.subarray(begin + 6, begin + 6 + 3 * Math.min(4, data[begin + 5] ?? 0)).filter((_, index) => index % 3 === 0);
      sent = new Map([...components].map((component) => [component, new Set()]));
    }
    // Of each table of AC codes, what a code of zeros stands for (ITU-T T.81, B.2.4.2, C.2).
    for (let table = begin; kind === 0xc4 && table + 17 < Math.min(at, data.length); ) {
      const count = data.subarray(table + 1, table + 17).reduce((sum, codes) => sum + codes, 0);
      if (data[table]! >> 4 === 1 && count) zeroSymbols.set(data[table]! & 15, data[table + 17]!);
      table += 17 + count;
    }
    if (kind !== 0xda) continue;
    if (++scans > constants.max_scans) return true; // no camera writes so many, and each takes its time
    const selected = begin + 1 + 2 * (data[begin] ?? 0);
    const [first = 0, last = 0, bits = 0] = sequential ? [0, 63, 0] : data.subarray(selected, selected + 3);
    for (let component = begin + 1; component < selected && (bits & 15) === 0; component += 2) {
      for (let coefficient = first; coefficient <= last; coefficient++) sent.get(data[component] ?? -1)?.add(coefficient);
    }
    telling = sequential && (zeroSymbols.get((data[begin + 2] ?? 0) & 15) ?? 0) !== 0;
  }
}

/** Whether the pixels of a PNG are not what their checksums are of, or end within a chunk. */
export function pngLacksPart(data: Uint8Array): boolean {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  for (let at = 8; at + 8 <= data.length; ) {
    const stop = at + 8 + view.getUint32(at);
    const kind = ascii(data, at + 4, at + 8);
    if (kind === "IEND") return false;
    if (kind === "IDAT" && (stop + 4 > data.length || crc32(data, at + 4, stop) !== view.getUint32(stop))) return true;
    at = stop + 4;
  }
  return false;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(data: Uint8Array, from: number, to: number): number {
  let value = 0xffffffff;
  for (let at = from; at < to; at++) value = CRC_TABLE[(value ^ data[at]!) & 0xff]! ^ (value >>> 8);
  return ~value >>> 0;
}

/**
 * Whether a WebP's picture ends in zeros, or a lossy one has a run of them, as no whole photograph has. Of drawings with plain
 * areas some are refused for it that Python, which looks at the pixels, too, accepts.
 */
export function webpLacksPart(data: Uint8Array): boolean {
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
