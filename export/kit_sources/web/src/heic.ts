/**
 * HEIC files with a hole: `check_heic` of mobile_runtime/heic_structure.py; and those in high dynamic range. So many zeros in a
 * row are no HEVC data: after any two zeros, a byte of 3 keeps a third away (ITU-T H.265, 7.4.2).
 */

import { constants } from "./constants.js";
import { isHdrProfile } from "./profile.js";
import { ascii, bigEndian, hasHole, isHdrTransfer, Outside } from "./structure.js";

interface Box {
  kind: string;
  begin: number;
  end: number;
}

class TooManyParts extends Error {}

export function heicLacksPart(data: Uint8Array): boolean {
  try {
    // Each as it comes: what follows the picture, such as a film, may have one too, or no boxes at all.
    for (const box of boxes(data, 0, data.length)) if (box.kind === "meta" && picturesLackPart(data, box)) return true;
    return false;
  } catch (error) {
    if (error instanceof TooManyParts) return true; // no camera writes so many
    if (error instanceof Outside) return false; // a length points outside the file: the decoder says so
    throw error;
  }
}

/** Whether the picture that counts has levels of PQ or HLG: by its colour profile, where it has one. */
export function isHdrHeic(data: Uint8Array): boolean {
  try {
    for (const box of boxes(data, 0, data.length)) if (box.kind === "meta" && isPrimaryHdr(data, box)) return true;
  } catch (error) {
    if (!(error instanceof Outside || error instanceof TooManyParts)) throw error; // the decoder says so
  }
  return false;
}

/** Where its own properties (ISO/IEC 14496-12, `colr`) say nothing, as of a grid, those of its tiles do. */
function isPrimaryHdr(data: Uint8Array, meta: Box): boolean {
  const parts = [...boxes(data, meta.begin + 4, meta.end)];
  const [primary, groups] = [lastBox(parts, "pitm"), lastBox(parts, "iprp")];
  if (!primary || !groups) return false;
  const inner = [...boxes(data, groups.begin, groups.end)];
  const container = lastBox(inner, "ipco");
  if (!container) return false;
  const properties = [...boxes(data, container.begin, container.end)];
  const item = bigEndian(data, primary.begin + 4, bigEndian(data, primary.begin, 1) ? 4 : 2);
  const numbers = inner.filter(({ kind }) => kind === "ipma").flatMap((box) => associated(data, box, item));
  const own = numbers.flatMap((number) => properties[number - 1] ?? []).filter(({ kind }) => kind === "colr");
  const colours = own.length ? own : properties.filter(({ kind }) => kind === "colr");
  const kinds = colours.map(({ begin }) => ascii(data, begin, begin + 4));
  const profile = colours[kinds.findIndex((kind) => kind === "prof" || kind === "rICC")];
  if (profile) return isHdrProfile(data.subarray(profile.begin + 4, profile.end));
  return colours.some(({ begin }, index) => kinds[index] === "nclx" && isHdrTransfer(bigEndian(data, begin + 6, 2)));
}

/** Numbers of an item's properties (ISO/IEC 23008-12, `ipma`). */
function associated(data: Uint8Array, box: Box, item: number): number[] {
  const found: number[] = [];
  const next = reader(data, box);
  const version = next(1);
  const size = next(3) & 1 ? 2 : 1;
  for (let left = next(4); left > 0; left--) {
    const own = next(version ? 4 : 2) === item;
    for (let count = next(1); count > 0; count--) {
      const number = next(size) & (size === 2 ? 0x7fff : 0x7f);
      if (own) found.push(number);
    }
  }
  return found;
}

/** Reads one number of so many bytes after the other. */
function reader(data: Uint8Array, { begin, end }: Box): (size: number) => number {
  let at = begin;
  return (size) => {
    if (at + size > end) throw new Outside();
    at += size;
    return bigEndian(data, at - size, size);
  };
}

function picturesLackPart(data: Uint8Array, meta: Box): boolean {
  const parts = [...boxes(data, meta.begin + 4, meta.end)];
  const items = lastBox(parts, "iinf");
  const places = lastBox(parts, "iloc");
  return Boolean(items && places) && extentsLackPart(data, places!, pictures(data, items!));
}

const lastBox = (found: Box[], kind: string): Box | undefined => found.filter((box) => box.kind === kind).at(-1);

/** Numbers of the items that are HEVC pictures (ISO/IEC 14496-12, `iinf`). */
function pictures(data: Uint8Array, items: Box): Set<number> {
  const found = new Set<number>();
  for (const { kind, begin } of boxes(data, items.begin + (bigEndian(data, items.begin, 1) === 0 ? 6 : 8), items.end)) {
    const version = kind === "infe" ? bigEndian(data, begin, 1) : 0;
    if (version !== 2 && version !== 3) continue;
    const size = version === 2 ? 2 : 4;
    if (["hvc1", "hev1"].includes(ascii(data, begin + 6 + size, begin + 10 + size))) found.add(bigEndian(data, begin + 4, size));
  }
  return found;
}

/** Whether an extent of a picture reaches outside the file or has a hole (ISO/IEC 14496-12, `iloc`). */
function extentsLackPart(data: Uint8Array, places: Box, items: Set<number>): boolean {
  const next = reader(data, places);
  const version = next(1);
  next(3);
  const sizes = next(2);
  let seen = 0;
  for (let left = next(version < 2 ? 2 : 4); left > 0; left--) {
    const item = next(version < 2 ? 2 : 4);
    const method = version ? next(2) & 15 : 0;
    next(2);
    const base = next((sizes >> 4) & 15);
    for (let extents = next(2); extents > 0; extents--) {
      next(version ? sizes & 15 : 0);
      const begin = base + next(sizes >> 12);
      const length = next((sizes >> 8) & 15);
      const end = length ? begin + length : data.length;
      if (++seen > constants.max_parts) throw new TooManyParts();
      const own = method === 0 && items.has(item); // others are kept elsewhere
      if (own && (end > data.length || hasHole(data, begin, end))) return true;
    }
  }
  return false;
}

function* boxes(data: Uint8Array, from: number, to: number): Generator<Box> {
  let start = from;
  for (let part = 0; start + 8 <= to; part++) {
    if (part === constants.max_parts) throw new TooManyParts();
    let size = bigEndian(data, start, 4);
    const head = size === 1 ? 16 : 8;
    if (size === 1) size = bigEndian(data, start + 8, 8);
    const end = size ? start + size : to;
    if (end < start + head) throw new Outside();
    yield { kind: ascii(data, start + 4, start + 8), begin: start + head, end: Math.min(end, to) };
    start = end;
  }
}
