/** What browsers show of image files that lack a part: something painted in its place, without an error. And what they are. */

import { constants } from "./constants.js";
import { inflatedLength } from "./inflated.js";

const ICC = "ICC_PROFILE\0";
const SEQUENTIAL = [0xc0, 0xc1, 0xc9];
const PROGRESSIVE = [0xc2, 0xca];
/** Instead of a bit: a coefficient has come to its last. */
const COMPLETE = -1;
type Pass = readonly [number, number, number, number];
/** First column, first row and steps of each pass over a PNG picture (PNG specification, 8.2). */
const WHOLE: Pass[] = [[0, 0, 1, 1]];
const ADAM7: Pass[] = [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];

export const ascii = (data: Uint8Array, from: number, to: number): string => String.fromCharCode(...data.subarray(from, to));

export function lastIndexOf(data: Uint8Array, ...bytes: number[]): number {
  let at = data.length - bytes.length;
  while (at >= 0 && !bytes.every((byte, offset) => data[at + offset] === byte)) at--;
  return at;
}

export const isJpeg = (data: Uint8Array): boolean => ascii(data, 0, 3) === "\xff\xd8\xff";
export const isPng = (data: Uint8Array): boolean => ascii(data, 0, 8) === "\x89PNG\r\n\x1a\n";
export const isWebp = (data: Uint8Array): boolean => ascii(data, 0, 4) === "RIFF" && ascii(data, 8, 12) === "WEBP";

/** A length or offset points outside the file. */
export class Outside extends Error {}

/** An unsigned number of up to 15 bytes; one that is far outside any file stays far outside. */
export function bigEndian(data: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let i = at; i < at + size; i++) {
    const byte = data[i];
    if (byte === undefined) throw new Outside();
    value = Math.min(value, 2 ** 44) * 2 ** 8 + byte;
  }
  return value;
}

/** Where the next marker starts that ends a scan's data; the file's length if there is none. */
export function nextMarker(data: Uint8Array, from: number): number {
  for (let at = data.indexOf(0xff, from); at >= 0 && at + 1 < data.length; at = data.indexOf(0xff, at + 1)) {
    const kind = data[at + 1]!;
    if (kind > 0x01 && kind < 0xff && !(kind >= 0xd0 && kind <= 0xd7)) return at;
  }
  return data.length;
}

/** Whether 23 bytes that were never written follow one another, or from 16 on, depending on where: 255, or 0 if `zeros`. */
export function hasHole(data: Uint8Array, from: number, to: number, zeros = true): boolean {
  let before = false;
  for (let at = from; at + 8 <= to; at += 8) {
    const filler = data[at]!;
    const erased = (filler === 0xff || (zeros && filler === 0)) && data.subarray(at, at + 8).every((byte) => byte === filler);
    if (erased && before && data[at - 1] === filler) return true;
    before = erased;
  }
  return false;
}

/** Whether a part of a scan is erased, to ones or, where they are telling, zeros, or its restart markers do not count on. */
function lacksData(data: Uint8Array, from: number, to: number, telling: boolean): boolean {
  if (hasHole(data, from, to, telling)) return true;
  let restarts = 0;
  for (let at = data.indexOf(0xff, from); at >= 0 && at + 1 < to; at = data.indexOf(0xff, at + 1)) {
    const kind = data[at + 1]!;
    if (kind >= 0xd0 && kind <= 0xd7 && kind !== 0xd0 + (restarts++ % 8)) return true;
  }
  return false;
}

/** What a JPEG's decoder may change colours by: parts of a profile, and how many colours it has. */
interface Colours {
  profile: { number: number; count: number; content: Uint8Array }[];
  components: number;
}

/**
 * Whether a JPEG lacks a part: `check_jpeg` of mobile_runtime/jpeg_structure.py. Zeros in place of it can be told of a baseline
 * JPEG alone, and of one whose code of zeros does not stand for small coefficients; bytes of ones always. Restart markers count
 * from 0 to 7 over and over (ITU-T T.81, E.1.4). Otherwise a scan is missing where not every coefficient of every component has
 * come to its last bit (G.1.1), or one does not go on from the bit that the one before it ended at (G.1.1.1.2). Where a part of a
 * profile is missing (ICC.1, B.4), decoders leave it aside, and colours are wrong.
 */
export function jpegLacksPart(data: Uint8Array): boolean {
  return readJpeg(data).lacking;
}

/** Whether a decoder may give other levels than those that are stored: by a profile, or of four colours. */
export function isConvertedJpeg(data: Uint8Array): boolean {
  const { profile, components } = readJpeg(data);
  return profile.length > 0 || components === 4;
}

/** The colour profile of a JPEG that lacks no part; empty where there is none. */
export const jpegProfile = (data: Uint8Array): Uint8Array => joined(readJpeg(data).profile.map(({ content }) => content));

function readJpeg(data: Uint8Array): Colours & { lacking: boolean } {
  const colours: Colours = { profile: [], components: 0 };
  try {
    return { lacking: lacksScans(data, colours) || !isWhole(colours), ...colours };
  } catch (error) {
    if (error instanceof Outside) return { lacking: true, ...colours };
    throw error;
  }
}

function isWhole({ profile }: Colours): boolean {
  profile.sort((one, other) => one.number - other.number);
  if (profile.length === 1 && profile[0]!.count === 1) return true; // whatever its number
  return profile.every(({ number, count }, index) => number === index + 1 && count === profile.length);
}

function lacksScans(data: Uint8Array, colours: Colours): boolean {
  const byte = (at: number): number => bigEndian(data, at, 1);
  const zeroSymbols = new Map<number, number>();
  // Component -> for each coefficient the bit that its next scan must go on from.
  let awaited = new Map<number, number[]>();
  let at = 0;
  let scans = 0;
  let sequential = false;
  let telling = false;
  let torn = false;
  for (let part = 0; part < constants.max_parts; part++) {
    const marker = nextMarker(data, at);
    if (scans > 0 && lacksData(data, at, marker, telling)) return true;
    telling = false;
    if (marker === data.length) return true;
    const kind = byte(marker + 1);
    if (kind === 0xd9) return scans === 0 || torn || [...awaited.values()].some((bits) => bits.some((bit) => bit !== COMPLETE));
    at = marker + 2;
    if (kind === 0xd8) continue;
    const begin = at + 2;
    at += Math.max(2, bigEndian(data, at, 2));
    if (SEQUENTIAL.includes(kind) || PROGRESSIVE.includes(kind)) {
      sequential = SEQUENTIAL.includes(kind);
      const components = Array.from({ length: Math.min(4, byte(begin + 5)) }, (_, index) => byte(begin + 6 + 3 * index));
      awaited = new Map(components.map((component) => [component, Array<number>(64).fill(0)]));
      colours.components = awaited.size;
    }
    if (kind === 0xe2 && ascii(data, begin, begin + ICC.length) === ICC) {
      const content = begin + ICC.length + 2;
      const part = { number: byte(content - 2), count: byte(content - 1), content: data.subarray(content, Math.max(content, at)) };
      colours.profile.push(part);
    }
    // Of each table of AC codes, what a code of zeros stands for (ITU-T T.81, B.2.4.2, C.2).
    for (let table = begin; kind === 0xc4 && table + 17 < Math.min(at, data.length); ) {
      const count = data.subarray(table + 1, table + 17).reduce((sum, codes) => sum + codes, 0);
      if (data[table]! >> 4 === 1 && count) zeroSymbols.set(data[table]! & 15, data[table + 17]!);
      table += 17 + count;
    }
    if (kind !== 0xda) continue;
    if (++scans > constants.max_scans) return true; // no camera writes so many, and each takes its time
    const selected = begin + 1 + 2 * byte(begin);
    const [first, last, bits] = sequential ? [0, 63, 0] : [byte(selected), byte(selected + 1), byte(selected + 2)];
    const components = new Set(Array.from({ length: byte(begin) }, (_, index) => byte(begin + 1 + 2 * index)));
    for (const component of components) {
      const coefficients = awaited.get(component);
      for (let index = first; coefficients && index <= Math.min(last, 63); index++) {
        if (coefficients[index] !== bits >> 4) torn = true;
        coefficients[index] = bits & 15 || COMPLETE;
      }
    }
    telling = sequential && (zeroSymbols.get(byte(begin + 2) & 15) ?? 0) !== 0;
  }
  return true;
}

/** One piece after the other. */
export function joined(pieces: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let filled = 0;
  for (const piece of pieces) {
    whole.set(piece, filled);
    filled += piece.length;
  }
  return whole;
}

/** Chunks of a PNG before its end; the content of the last may reach outside the file. */
export function* pngChunks(data: Uint8Array): Generator<{ kind: string; begin: number; end: number }> {
  for (let at = 8; at + 8 <= data.length && ascii(data, at + 4, at + 8) !== "IEND"; ) {
    const end = at + 8 + bigEndian(data, at, 4);
    yield { kind: ascii(data, at + 4, at + 8), begin: at + 8, end };
    at = end + 4;
  }
}

/** Whether a PNG says that its levels are of PQ or HLG. */
export function isHdrPng(data: Uint8Array): boolean {
  for (const { kind, begin, end } of pngChunks(data)) {
    if (kind === "cICP" && end > begin + 1 && isHdrTransfer(data[begin + 1])) return true;
  }
  return false;
}

/** Whether these transfer characteristics are PQ or HLG (ITU-T H.273, table 3). */
export const isHdrTransfer = (transfer: number | undefined): boolean => transfer === 16 || transfer === 18;

/** Whether a part of a PNG is not what its checksum is of, or the file ends within one or the pixels before the picture is whole. */
export function pngLacksPart(data: Uint8Array): boolean {
  const packed: Uint8Array[] = [];
  let parts = 0;
  for (const { kind, begin, end } of pngChunks(data)) {
    if (++parts > constants.max_parts) return true;
    if (end + 4 > data.length || crc32(data, begin - 4, end) !== bigEndian(data, end, 4)) return true;
    if (kind === "IDAT") packed.push(data.subarray(begin, end));
  }
  const bytes = rowBytes(data);
  return inflatedLength(joined(packed), bytes) < bytes;
}

/** Bytes of all rows of a PNG, filters included; Infinity for a colour type that there is none of. */
function rowBytes(data: Uint8Array): number {
  if (data.length < 33) return Infinity;
  const width = bigEndian(data, 16, 4);
  const height = bigEndian(data, 20, 4);
  const bits = data[24]! * ({ 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }[data[25]!] ?? Infinity);
  let bytes = 0;
  for (const [column, row, across, down] of data[28] ? ADAM7 : WHOLE) {
    const columns = Math.ceil((width - column) / across);
    const rows = Math.ceil((height - row) / down);
    if (Math.min(columns, rows) > 0) bytes += rows * (1 + Math.ceil((columns * bits) / 8));
  }
  return bytes;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

export function crc32(data: Uint8Array, from: number, to: number): number {
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
  for (let part = 0; at + 8 <= end; part++) {
    if (part === constants.max_parts) return true;
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
