/** Replaying a kit's port.json, which holds this port to Python where no model is asked; export/kit_vectors.py says how it is made. */

import { combine } from "./burst.js";
import { constants, type Reason } from "./constants.js";
import type { Engine, Outputs } from "./engine.js";
import { BundleError, CaptureError, type CaptureFault } from "./errors.js";
import { toRgb } from "./frames.js";
import { check, compareQuality, frameOf, largest, type Check, type FrameSpec, type QualityVector } from "./golden.js";
import { parseManifest, variantOf, type Manifest } from "./manifest.js";
import { orientationOf, uprightLayout, withoutExif } from "./orientation.js";
import { checkFile, endsUnwritten } from "./photo.js";
import { TriagePipeline } from "./pipeline.js";
import { judge } from "./quality.js";
import { normalize, type Box, type Pixels } from "./resample.js";
import { isConvertedJpeg } from "./structure.js";

interface Vector {
  width: number;
  height: number;
  rgb: string;
}

/** port.json; bytes are hex digits. */
interface Port {
  quality_tolerance: number;
  frames: (Omit<Vector, "rgb"> & { rgb: string | null; frame: FrameSpec; data: string })[];
  captures: (Vector & QualityVector & { size: number; box: [number, number, number, number] | null; prepared: string | null })[];
  bursts: {
    variant: string;
    operating_point: string;
    frames: { reasons: Reason[]; outputs: Recorded }[];
    verdict: Record<string, unknown> & { probabilities: Record<string, number>; advice: string[] };
  }[];
  outputs: { name: string; variant: string; outputs: Recorded; accepted: boolean }[];
  manifests: { name: string; find: string; replace: string; accepted: boolean }[];
  files: { name: string; data: string; accepted: boolean; code: CaptureFault | null }[];
  edges: (Vector & { name: string; data: string; accepted: boolean })[];
  turned: (Vector & { name: string; data: string; orientation: number; tolerance: number })[];
}

/** What JSON has no number for is a string, as "NaN". */
type Recorded = Record<keyof Outputs, (number | string)[] | undefined>;

const hex = (digits: string): Uint8Array => Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

const unrun = (manifest: Manifest, name?: string): Pick<Engine, "run" | "variant"> =>
  ({ variant: variantOf(manifest, name), run: () => Promise.reject(new Error("nothing is run")) });

/** What `make` gives, or null where it refuses its input. */
function accepted<T>(make: () => T): T | null {
  try {
    return make();
  } catch (error) {
    if (error instanceof CaptureError) return null;
    throw error;
  }
}

/**
 * Camera layouts, boxes, bursts, manifests and files of a kit's port.json: refused where Python refuses, else the same.
 *
 * @param text of port.json.
 * @param manifestText of the manifest.json beside it.
 */
export function replayPort(text: string, manifestText: string): Check[] {
  const port = JSON.parse(text) as Port;
  const manifest = parseManifest(manifestText);
  const checks: Check[] = [];
  const same = (name: string, found: ArrayLike<number> | null, wanted: string | null): void => {
    const refused = found === null || wanted === null;
    checks.push(check("port", name, refused ? (found === wanted ? 0 : Infinity) : largest(found, hex(wanted)), 0));
  };
  const pipeline = new TriagePipeline(manifest, unrun(manifest));
  for (const { frame, data, rgb } of port.frames) {
    same(`frame ${JSON.stringify(frame)}`, accepted(() => toRgb(frameOf(frame, hex(data))))?.data ?? null, rgb);
  }
  for (const item of port.captures) {
    const [left, top, right, bottom] = item.box ?? [];
    const box = item.box ? { left: left!, top: top!, right: right!, bottom: bottom! } : undefined;
    const pixels: Pixels = { width: item.width, height: item.height, channels: 3, data: hex(item.rgb) };
    const name = `capture of ${item.width}x${item.height}, box ${item.box?.join() ?? "none"}`;
    const found = accepted(() => normalize(pixels, item.size, box));
    same(name, found?.image ?? null, item.prepared);
    if (!found || item.prepared === null) continue;
    const quality = judge(found.image, item.size, manifest.quality, found.regionPx);
    const { difference, detail } = compareQuality(quality, item);
    checks.push(check("port", name, found.regionPx === item.region_px ? difference : Infinity, port.quality_tolerance, detail));
    const judged = item.size !== manifest.input.size && accepted(() => pipeline.judge(found));
    checks.push(check("port", name, judged ? Infinity : 0, 0, judged ? "judged at another size than the model's" : ""));
  }
  for (const item of port.bursts) checks.push(replayBurst(item, manifest));
  for (const { name, variant, outputs, accepted: wanted } of port.outputs) {
    const found = acceptsOutputs(manifest, variant, outputsOf(outputs));
    checks.push(check("port", `outputs: ${name}`, found === wanted ? 0 : Infinity, 0, found ? "accepted" : "refused"));
  }
  for (const { name, find, replace, accepted: wanted } of port.manifests) {
    const found = readsManifest(manifestText.replace(find, () => replace));
    checks.push(check("port", `manifest: ${name}`, found === wanted ? 0 : Infinity, 0, found ? "accepted" : "refused"));
  }
  for (const { name, data, accepted: wanted, code } of port.files) {
    const found = faultOf(hex(data));
    const right = found === code && (found === null) === wanted;
    checks.push(check("port", `file: ${name}`, right ? 0 : Infinity, 0, found ?? "accepted"));
  }
  for (const { name, data, width, height, rgb, accepted: wanted } of port.edges) {
    const file = hex(data);
    const upright = uprightOf(hex(rgb), width, height, orientationOf(file));
    const rgba = (edge: Box): number[][] => [rgbaOf(upright.data, upright.width, edge)];
    const found = !endsUnwritten(upright.width, upright.height, orientationOf(file), isConvertedJpeg(file), rgba);
    checks.push(check("port", `edge: ${name}`, found === wanted ? 0 : Infinity, 0, found ? "accepted" : "refused"));
  }
  for (const { name, data, orientation: wanted, width, height } of port.turned) {
    const file = hex(data);
    const found = orientationOf(file);
    const hidden = withoutExif(file);
    const upright = uprightLayout(...storedSides(width, height, wanted), found);
    const right = found === wanted && orientationOf(hidden) === 1 && faultOf(hidden) === null && upright.width === width;
    checks.push(check("port", `turned: ${name}`, right ? 0 : Infinity, 0, `orientation ${found}`));
  }
  return checks;
}

function uprightOf(stored: Uint8Array, columns: number, rows: number, orientation: number): { width: number; height: number; data: Uint8Array } {
  const { width, height, first, across, down } = uprightLayout(columns, rows, orientation);
  const data = new Uint8Array(stored.length);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const from = 3 * (y * columns + x);
      data.set(stored.subarray(from, from + 3), 3 * (first + y * down + x * across));
    }
  }
  return { width, height, data };
}

const storedSides = (width: number, height: number, orientation: number): [number, number] =>
  orientation < 5 ? [width, height] : [height, width];

/** Decoding of files that EXIF says to turn, which is in part the browser's; `decode` gives upright pixels. */
export async function replayTurned(text: string, decode: (file: Uint8Array) => Promise<Pixels>): Promise<Check[]> {
  const checks: Check[] = [];
  for (const { name, data, width, height, rgb, tolerance } of (JSON.parse(text) as Port).turned) {
    const found = await decode(hex(data));
    const same = found.width === width && found.height === height;
    checks.push(check("upright", `turned: ${name}`, same ? largest(found.data, hex(rgb)) : Infinity, tolerance));
  }
  return checks;
}

function rgbaOf(rgb: Uint8Array, width: number, { left, top, right, bottom }: Box): number[] {
  const found: number[] = [];
  for (let y = top; y < bottom; y++) {
    for (let at = 3 * (y * width + left); at < 3 * (y * width + right); at += 3) found.push(...rgb.subarray(at, at + 3), 255);
  }
  return found;
}

/** Why a file is refused; null where it is not. */
function faultOf(file: Uint8Array): CaptureFault | null {
  try {
    checkFile(file);
    return null;
  } catch (error) {
    if (error instanceof CaptureError) return error.code;
    throw error;
  }
}

function readsManifest(text: string): boolean {
  try {
    parseManifest(text);
    return true;
  } catch (error) {
    if (error instanceof BundleError) return false;
    throw error;
  }
}

function outputsOf({ probabilities, scores, outlier }: Recorded): Outputs {
  const array = (values: (number | string)[] | undefined): Float32Array => Float32Array.from(values ?? [], Number);
  return { probabilities: array(probabilities), scores: array(scores), outlier: outlier ? array(outlier) : null };
}

const figures = {
  sharpness: 0, least_sharpness: 0, evenness: 0, detail: 0, echo: 0, brightness: 0, clipped: 0, highlight: 0, glare: 0, contrast: 0,
  colour: 0, warmth: 0, region_px: null,
};

function acceptsOutputs(manifest: Manifest, variant: string, outputs: Outputs): boolean {
  try {
    new TriagePipeline(manifest, unrun(manifest, variant)).assessment({ ...figures, reasons: [] }, outputs);
    return true;
  } catch (error) {
    if (error instanceof BundleError) return false;
    throw error;
  }
}

function replayBurst({ variant, operating_point: point, frames, verdict }: Port["bursts"][number], manifest: Manifest): Check {
  const pipeline = new TriagePipeline(manifest, unrun(manifest, variant));
  const { assessment, usable, spread, agreement, remark } = combine(
    frames.map(({ reasons, outputs }) =>
      pipeline.assessment({ ...figures, reasons }, reasons.length ? null : outputsOf(outputs), point),
    ),
  );
  const found: Record<string, unknown> = { ...assessment, usable, spread, agreement };
  const { probabilities, advice, ...rest } = verdict;
  const wrong = Object.keys(rest).filter((name) => found[name] !== rest[name]);
  const labels = Object.keys({ ...probabilities, ...assessment.probabilities });
  wrong.push(...labels.filter((label) => assessment.probabilities[label] !== probabilities[label]));
  const meaning = remark.length ? remark : [constants.meaning[assessment.decision]];
  const said = [...meaning, ...assessment.quality.reasons.map((reason) => constants.advice[reason])];
  if (said.join("\n") !== advice.join("\n")) wrong.push("advice");
  return check("port", `burst at ${point}`, wrong.length, 0, wrong.join());
}
