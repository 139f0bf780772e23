/** What a file's colour profile says of dynamic range: `check_profile` of mobile_runtime/structure.py. */

import { constants } from "./constants.js";
import { inflated } from "./inflated.js";
import { ascii, bigEndian, isHdrTransfer, isJpeg, isPng, isWebp, jpegProfile, pngChunks } from "./structure.js";

const TAGS = 0x84;
const ENTRY = 12;
const LONGEST = 1 << 20;

/** Whether a JPEG, PNG or WebP has a colour profile of PQ or HLG; of HEIC see `isHdrHeic`. */
export function hasHdrProfile(data: Uint8Array): boolean {
  const profile = isJpeg(data) ? jpegProfile : isPng(data) ? pngProfile : isWebp(data) ? webpProfile : null;
  return profile !== null && isHdrProfile(profile(data));
}

/** Whether a profile says so by its tag `cicp` (ICC.1:2022, 9.2.17). */
export function isHdrProfile(profile: Uint8Array): boolean {
  if (profile.length < TAGS) return false;
  const last = Math.min(TAGS + ENTRY * bigEndian(profile, TAGS - 4, 4), profile.length - ENTRY + 1);
  for (let at = TAGS; at < last; at += ENTRY) {
    const begin = bigEndian(profile, at + 4, 4);
    const told = ascii(profile, at, at + 4) === "cicp" && begin + ENTRY <= profile.length && ascii(profile, begin, begin + 4) === "cicp";
    if (told && isHdrTransfer(profile[begin + 9])) return true;
  }
  return false;
}

function pngProfile(data: Uint8Array): Uint8Array {
  const chunk = [...pngChunks(data)].find(({ kind, end }) => kind === "iCCP" && end <= data.length);
  if (!chunk) return new Uint8Array();
  const content = data.subarray(chunk.begin, chunk.end);
  // Behind its name and the method, of which there is one.
  return inflated(content.subarray(content.indexOf(0) + 2), LONGEST);
}

/** It is before the picture. */
function webpProfile(data: Uint8Array): Uint8Array {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const end = Math.min(data.length, 8 + view.getUint32(4, true));
  for (let at = 12, part = 0; at + 8 <= end && part < constants.max_parts; part++) {
    const stop = at + 8 + view.getUint32(at + 4, true);
    if (ascii(data, at, at + 4) === "ICCP") return data.subarray(at + 8, Math.min(stop, end));
    at = stop + (stop % 2);
  }
  return new Uint8Array();
}
