/** The part of a bundle's manifest.json that a port reads; field by field the same as mobile_runtime/manifest.py. */

import { constants } from "./constants.js";
import { BundleError } from "./errors.js";

export interface Estimate {
  value: number;
  low: number;
  high: number;
  n: number;
}

export interface OperatingPoint {
  threshold: number;
  aim: string;
  sensitivity: Estimate;
  specificity: Estimate;
  dataset: string;
}

export interface QualityLimits {
  sharpness_min: number;
  least_sharpness_min: number;
  evenness_min: number;
  detail_min: number;
  echo_max: number;
  brightness_min: number;
  brightness_max: number;
  clipped_max: number;
  highlight_max: number;
  glare_max: number;
  contrast_min: number;
  colour_min: number;
  warmth_min: number;
  region_px_min: number;
}

export interface Variant {
  name: string;
  runtime: "litert" | "onnx" | "coreml";
  precision: string;
  path: string;
  size_bytes: number;
  input_name: string;
  outputs: { probabilities: string; scores: string; outlier?: string };
  operating_points: Record<string, OperatingPoint>;
  abstention: { limit: number } | null;
}

export interface FileEntry {
  path: string;
  sha256: string;
  size_bytes: number;
}

export interface Manifest {
  schema_version: number;
  name: string;
  version: string;
  intended_use: string;
  limitations: string[];
  licence: string;
  input: { size: number; dtype: "uint8"; layout: "NHWC"; colour: "RGB"; resample: "pillow-bilinear-antialias" };
  classes: { label: string; name: string; node: string }[];
  scores: { name: string; weights: number[] }[];
  default_variant: string;
  default_operating_point: string;
  quality: QualityLimits;
  variants: Record<string, Variant>;
  files: FileEntry[];
}

const LIMITS: (keyof QualityLimits)[] = [
  "sharpness_min", "least_sharpness_min", "evenness_min", "detail_min", "echo_max", "brightness_min", "brightness_max",
  "clipped_max", "highlight_max", "glare_max", "contrast_min", "colour_min", "warmth_min", "region_px_min",
];

/** Whether an object in a text of JSON has a key twice; parsers differ in which of two they take. */
function hasDoubledKey(text: string): boolean {
  const open: (Set<string> | null)[] = [];
  let last = "";
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:]/g)) {
    if (token === "{" || token === "[") open.push(token === "{" ? new Set() : null);
    else if (token === "}" || token === "]") open.pop();
    else if (token === ":") {
      const key = JSON.parse(last) as string;
      const keys = open.at(-1)!;
      if (keys.has(key)) return true;
      keys.add(key);
    }
    last = token;
  }
  return false;
}

/**
 * Parse the text of a manifest.json.
 *
 * A limit that is missing would compare as false and wave every picture through, so each number that a verdict rests on is
 * looked at here.
 *
 * @throws BundleError no JSON, another schema version, another kind of input, a field is missing, or a value is out of bounds.
 */
export function parseManifest(text: string): Manifest {
  let manifest: Manifest;
  try {
    manifest = JSON.parse(text) as Manifest;
    if (hasDoubledKey(text)) throw new Error("a key is there twice");
  } catch (error) {
    throw new BundleError("malformed", `manifest.json is not JSON: ${String(error)}`);
  }
  if (manifest?.schema_version !== constants.schema_version) {
    throw new BundleError("schema", `schema version ${manifest?.schema_version}, this port reads ${constants.schema_version}`);
  }
  const number = (where: string, value: unknown, low = -Infinity, high = Infinity): void => {
    if (typeof value !== "number" || !Number.isFinite(value)) throw new Error(`${where} is no number`);
    if (value < low || value > high) throw new Error(`${where} is not from ${low} to ${high}`);
  };
  const once = (what: string, names: string[]): void => {
    if (new Set(names).size !== names.length) throw new Error(`a ${what} is there twice`);
  };
  try {
    number("input.size", manifest.input.size, constants.min_input, constants.max_input);
    if (!Number.isInteger(manifest.input.size)) throw new Error("input.size is no whole number");
    for (const [name, value] of Object.entries(constants.input)) {
      if (manifest.input[name as keyof typeof constants.input] !== value) throw new Error(`input.${name} is not ${value}`);
    }
    for (const name of LIMITS) number(`quality.${name}`, manifest.quality[name]);
    for (const [key, variant] of Object.entries(manifest.variants)) {
      if (key !== variant.name) throw new Error(`variant ${key} calls itself ${variant.name}`);
      for (const role of ["probabilities", "scores", ...(variant.abstention ? ["outlier"] : [])]) {
        const output: unknown = Object.hasOwn(variant.outputs, role) && variant.outputs[role as keyof Variant["outputs"]];
        if (typeof output !== "string") throw new Error(`${key} has no output ${role}`);
      }
      for (const [name, point] of Object.entries(variant.operating_points)) {
        number(`${variant.name}.${name}.threshold`, point.threshold, 0, 1);
        for (const estimate of [point.sensitivity, point.specificity]) {
          for (const field of ["value", "low", "high"] as const) number(`${variant.name}.${name}.${field}`, estimate[field]);
        }
      }
      if (!Object.hasOwn(variant.operating_points, manifest.default_operating_point)) {
        throw new Error(`${variant.name} lacks the default point`);
      }
      // A key that is misspelt would let every outlier pass.
      if (variant.abstention === undefined) throw new Error(`${key} does not say when it abstains`);
      if (variant.abstention !== null) number(`${variant.name}.abstention.limit`, variant.abstention.limit);
    }
    if (!Object.hasOwn(manifest.variants, manifest.default_variant)) throw new Error("default_variant is not among the variants");
    if (!manifest.scores.some((score) => score.name === "malignancy")) throw new Error("scores has no malignancy");
    once("class label", manifest.classes.map(({ label }) => label));
    once("class", manifest.classes.map(({ node }) => node));
    once("score", manifest.scores.map(({ name }) => name));
    for (const { name, weights } of manifest.scores) {
      const fits = weights.length === manifest.classes.length && weights.every((weight) => weight === 0 || weight === 1);
      if (!fits) throw new Error(`the weights of ${name} are not 0 or 1 for each class`);
    }
    if (!manifest.classes.length || !manifest.files.length) throw new Error("classes or files is empty");
    if (!Array.isArray(manifest.files)) throw new Error("files is no list");
    for (const { path, size_bytes: size, sha256 } of manifest.files) {
      if (typeof path !== "string" || typeof sha256 !== "string") throw new Error("a file has no path or no SHA-256");
      number(`the size of ${path}`, size, 0);
    }
  } catch (error) {
    throw new BundleError("malformed", `manifest.json: ${(error as Error).message}`);
  }
  return manifest;
}

/** The variant of a name, or the default one. */
export function variantOf(manifest: Manifest, name = manifest.default_variant): Variant {
  const variant = Object.hasOwn(manifest.variants, name) ? manifest.variants[name] : undefined;
  if (!variant) throw new BundleError("missing", `no variant ${name}; there are ${Object.keys(manifest.variants).join(", ")}`);
  return variant;
}

/**
 * Check the bytes of a file of the bundle against the manifest.
 *
 * @throws BundleError not listed, or another size or SHA-256.
 */
export async function verifyFile(manifest: Manifest, path: string, data: Uint8Array<ArrayBuffer>): Promise<void> {
  const entry = manifest.files.find((file) => file.path === path);
  if (!entry) throw new BundleError("missing", `${path}: not in the manifest`);
  if (data.length !== entry.size_bytes) {
    throw new BundleError("altered", `${path}: ${data.length} bytes, the manifest says ${entry.size_bytes}`);
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== entry.sha256) throw new BundleError("altered", `${path}: SHA-256 differs from the manifest`);
}
