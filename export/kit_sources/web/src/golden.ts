/** Replaying a bundle's golden vectors, stage by stage; mobile_runtime/golden.py says what they are. */

import type { Decision, Reason } from "./constants.js";
import { decide } from "./decision.js";
import type { Outputs } from "./engine.js";
import { toRgb, type CameraFrame } from "./frames.js";
import { variantOf, type Manifest, type Variant } from "./manifest.js";
import { judge, type Quality } from "./quality.js";
import { normalize, type Pixels } from "./resample.js";

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

export interface FrameSpec extends Omit<CameraFrame, "planes" | "valueRange"> {
  planes: { offset: number; length: number; row_stride: number; pixel_stride: number }[];
  value_range: CameraFrame["valueRange"];
}

export interface QualityVector {
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

export function largest(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length) return Infinity;
  let worst = 0;
  for (let i = 0; i < found.length; i++) {
    const difference = Math.abs(found[i]! - expected[i]!);
    worst = Number.isNaN(difference) ? Infinity : Math.max(worst, difference);
  }
  return worst;
}

export function check(stage: Stage, name: string, difference: number, tolerance: number, detail = ""): Check {
  return { stage, case: name, difference, tolerance, passed: difference <= tolerance, detail };
}

async function loadVectors(read: Read): Promise<Vectors> {
  return JSON.parse(new TextDecoder().decode(await read("golden/golden.json"))) as Vectors;
}

export function compareQuality(found: Quality, expected: QualityVector): { difference: number; detail: string } {
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

export function frameOf(spec: FrameSpec, source: Uint8Array): CameraFrame {
  const planes = spec.planes.map(({ offset, length, row_stride: rowStride, pixel_stride: pixelStride }) => ({
    data: source.subarray(offset, offset + length), rowStride, pixelStride,
  }));
  return { ...spec, planes, valueRange: spec.value_range };
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
