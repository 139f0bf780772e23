/** Replaying a bundle's golden vectors, stage by stage; mobile_runtime/golden.py says what they are. */

import { combine } from "./burst.js";
import { constants, type Decision, type Reason } from "./constants.js";
import { decide } from "./decision.js";
import type { Engine, Outputs } from "./engine.js";
import { BundleError, CaptureError, type CaptureFault } from "./errors.js";
import { toRgb, type CameraFrame } from "./frames.js";
import { parseManifest, variantOf, type Manifest, type Variant } from "./manifest.js";
import { checkFile, endsUnwritten } from "./photo.js";
import { TriagePipeline } from "./pipeline.js";
import { judge, type Quality } from "./quality.js";
import { normalize, type Box, type Pixels } from "./resample.js";

/** Reads a file of the bundle by its path. */
export type Read = (path: string) => Promise<Uint8Array>;
export type Stage = "upright" | "prepared" | "quality" | "outputs" | "decision" | "port";

export interface Check {
  stage: Stage;
  case: string;
  /** The largest; Infinity where something has another shape or kind. */
  difference: number;
  tolerance: number;
  passed: boolean;
  detail: string;
}

interface FrameSpec extends Omit<CameraFrame, "planes" | "valueRange"> {
  planes: { offset: number; length: number; row_stride: number; pixel_stride: number }[];
  value_range: CameraFrame["valueRange"];
}

interface QualityVector {
  region_px: number;
  quality: Record<string, number | null>;
  reasons: Reason[];
}

interface Case extends QualityVector {
  name: string;
  source: string;
  frame: FrameSpec | null;
  upright: string;
  upright_tolerance: number;
  prepared: string;
}

interface Vector {
  width: number;
  height: number;
  rgb: string;
}

/** port.json: what does not depend on the model; export/kit_vectors.py says how it is made. Bytes are hex digits. */
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
  edges: (Vector & { accepted: boolean })[];
}

/** What JSON has no number for is a string, as "NaN". */
type Recorded = Record<keyof Outputs, (number | string)[] | undefined>;

interface VariantVectors {
  recordings: { kernels: string; outputs: Record<string, string> }[];
  tolerance: Record<string, { other: number }>;
  decisions: Record<string, Decision[]>;
  rules: { operating_point: string; reasons: Reason[]; malignancy: number; outlier: number | null; decision: Decision }[];
}

interface Vectors {
  input_size: number;
  cases: Case[];
  quality_tolerance: number;
  variants: Record<string, VariantVectors>;
}

export interface NpyArray {
  shape: number[];
  data: Uint8Array<ArrayBuffer> | Float32Array;
}

/** A .npy file, version 1.0, C order: uint8 or little-endian float32. */
export function parseNpy(file: Uint8Array): NpyArray {
  // A copy, because node's Buffer shares its memory and `slice` of it does not copy.
  const bytes = new Uint8Array(file);
  const headerLength = bytes[8]! + bytes[9]! * 256;
  const header = String.fromCharCode(...bytes.subarray(10, 10 + headerLength));
  const descr = /'descr': '([^']+)'/.exec(header)?.[1];
  const shape = /'shape': \(([^)]*)\)/.exec(header)?.[1]?.split(",").filter((part) => part.trim()).map(Number);
  if (!shape || header.includes("'fortran_order': True") || (descr !== "|u1" && descr !== "<f4")) {
    throw new Error(`no plain array: ${header}`);
  }
  const body = bytes.slice(10 + headerLength);
  return { shape, data: descr === "|u1" ? body : new Float32Array(body.buffer) };
}

function pixelsOf({ shape, data }: NpyArray): Pixels {
  return { height: shape[0]!, width: shape[1]!, channels: 3, data: data as Uint8Array };
}

function largest(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) return Infinity;
  let worst = 0;
  for (let i = 0; i < found.length; i++) {
    const difference = Math.abs(found[i]! - expected[i]!);
    worst = Number.isNaN(difference) ? Infinity : Math.max(worst, difference);
  }
  return worst;
}

function check(stage: Stage, name: string, difference: number, tolerance: number, detail = ""): Check {
  return { stage, case: name, difference, tolerance, passed: difference <= tolerance, detail };
}

async function loadVectors(read: Read): Promise<Vectors> {
  return JSON.parse(new TextDecoder().decode(await read("golden/golden.json"))) as Vectors;
}

function compareQuality(found: Quality, expected: QualityVector): { difference: number; detail: string } {
  const figures = found as unknown as Record<string, number | null>;
  if (found.reasons.join() !== expected.reasons.join()) {
    return { difference: Infinity, detail: `reasons ${found.reasons.join()} instead of ${expected.reasons.join()}` };
  }
  const differences = Object.entries(expected.quality).map(([name, value]) => {
    const own = figures[name];
    if (value === null || own === null || own === undefined) return own === value ? 0 : Infinity;
    return Math.abs(own - value);
  });
  return { difference: Math.max(...differences), detail: "" };
}

function decideFor(variant: Variant, point: string, reasons: Reason[], malignancy: number, outlier: number | null): Decision {
  return decide(reasons, malignancy, variant.operating_points[point]!.threshold, outlier, variant.abstention?.limit ?? null);
}

function frameOf(spec: FrameSpec, source: Uint8Array): CameraFrame {
  const planes = spec.planes.map(({ offset, length, row_stride: rowStride, pixel_stride: pixelStride }) => ({
    data: source.subarray(offset, offset + length), rowStride, pixelStride,
  }));
  return { ...spec, planes, valueRange: spec.value_range };
}

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
  for (const { width, height, rgb, accepted: wanted } of port.edges) {
    const pixels = hex(rgb);
    const found = !endsUnwritten(width, height, (edge) => [rgbaOf(pixels, width, edge)]);
    checks.push(check("port", "edges of a decoded picture", found === wanted ? 0 : Infinity, 0, found ? "accepted" : "refused"));
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
  sharpness: 0, least_sharpness: 0, evenness: 0, brightness: 0, clipped: 0, burnt_centre: 0, glare: 0, contrast: 0, colour: 0,
  warmth: 0, region_px: null,
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

/** Every stage but decoding of files and inference: camera frames to upright, prepared, quality, decision. */
export async function replayExact(read: Read, manifest: Manifest): Promise<Check[]> {
  const vectors = await loadVectors(read);
  const checks: Check[] = [];
  for (const item of vectors.cases) {
    const upright = parseNpy(await read(item.upright));
    const prepared = parseNpy(await read(item.prepared));
    if (item.frame) {
      const found = toRgb(frameOf(item.frame, await read(item.source)));
      const same = found.height === upright.shape[0] && found.width === upright.shape[1];
      checks.push(check("upright", item.name, same ? largest(found.data, upright.data) : Infinity, item.upright_tolerance));
    }
    const capture = normalize(pixelsOf(upright), vectors.input_size);
    checks.push(check("prepared", item.name, largest(capture.image, prepared.data), 0));
    const quality = judge(prepared.data as Uint8Array, vectors.input_size, manifest.quality, capture.regionPx);
    const { difference, detail } = compareQuality(quality, item);
    checks.push(check("quality", item.name, difference, vectors.quality_tolerance, detail));
  }
  for (const [name, expected] of Object.entries(vectors.variants)) {
    checks.push(...(await replayDecisions(read, manifest, variantOf(manifest, name), expected, vectors.cases)));
  }
  return checks;
}

async function replayDecisions(
  read: Read, manifest: Manifest, variant: Variant, expected: VariantVectors, cases: Case[],
): Promise<Check[]> {
  const checks: Check[] = [];
  const compare = (name: string, found: Decision, wanted: Decision): void => {
    const detail = found === wanted ? "" : `${found} instead of ${wanted}`;
    checks.push(check("decision", `${variant.name} ${name}`, found === wanted ? 0 : 1, 0, detail));
  };
  const recorded = expected.recordings[0]?.outputs;
  if (recorded) {
    const scores = parseNpy(await read(recorded.scores!));
    const outliers = recorded.outlier ? parseNpy(await read(recorded.outlier)) : null;
    const column = manifest.scores.findIndex((score) => score.name === "malignancy");
    cases.forEach((item, row) => {
      const malignancy = scores.data[row * scores.shape[1]! + column]!;
      const outlier = outliers ? outliers.data[row]! : null;
      for (const [point, decisions] of Object.entries(expected.decisions)) {
        compare(`${point} ${item.name}`, decideFor(variant, point, item.reasons, malignancy, outlier), decisions[row]!);
      }
    });
  }
  expected.rules.forEach((rule, index) => {
    const found = decideFor(variant, rule.operating_point, rule.reasons, rule.malignancy, rule.outlier);
    compare(`rule ${index + 1}`, found, rule.decision);
  });
  return checks;
}

/** Decoding of the image files, which is the browser's; `decode` gives upright pixels. */
export async function replayDecoding(read: Read, decode: (file: Uint8Array) => Promise<Pixels>): Promise<Check[]> {
  const checks: Check[] = [];
  for (const item of (await loadVectors(read)).cases.filter(({ frame }) => !frame)) {
    const upright = parseNpy(await read(item.upright));
    const found = await decode(await read(item.source));
    const same = found.height === upright.shape[0] && found.width === upright.shape[1];
    checks.push(check("upright", item.name, same ? largest(found.data, upright.data) : Infinity, item.upright_tolerance));
  }
  return checks;
}

/** Inference of one variant on the recorded prepared images. */
export async function replayOutputs(read: Read, name: string, run: (image: Uint8Array<ArrayBuffer>) => Promise<Outputs>): Promise<Check[]> {
  const vectors = await loadVectors(read);
  const expected = vectors.variants[name];
  if (!expected?.recordings.length) throw new Error(`no recording of ${name}`);
  const recording = expected.recordings.find(({ kernels }) => kernels === "xnnpack") ?? expected.recordings[0]!;
  const roles = await Promise.all(
    Object.entries(recording.outputs).map(async ([role, path]) => ({ role: role as keyof Outputs, array: parseNpy(await read(path)) })),
  );
  const checks: Check[] = [];
  for (const [row, item] of vectors.cases.entries()) {
    const outputs = await run(parseNpy(await read(item.prepared)).data as Uint8Array<ArrayBuffer>);
    for (const { role, array } of roles) {
      const columns = array.data.length / vectors.cases.length;
      const wanted = array.data.subarray(row * columns, (row + 1) * columns);
      checks.push(check("outputs", `${item.name} ${role}`, largest(outputs[role] ?? [], wanted), expected.tolerance[role]!.other));
    }
  }
  return checks;
}

/** Cases, mismatches and the largest difference by stage, a line each. */
export function summarize(checks: Check[]): string[] {
  return [...new Set(checks.map(({ stage }) => stage))].map((stage) => {
    const own = checks.filter((item) => item.stage === stage);
    const worst = Math.max(...own.map(({ difference }) => difference));
    return `${stage}: ${own.length} cases, ${own.filter(({ passed }) => !passed).length} mismatches, largest difference ${worst}`;
  });
}
