/**
 * Conformance in node: `npm test -- BUNDLE [CASES]`.
 *
 * Replays the golden vectors of BUNDLE for every stage before and after inference, and a kit's port.json. CASES is a folder of further captures: a
 * cases.json of [{upright, prepared, box, region_px, quality}], the first two .npy files, made by the Python runtime.
 */

import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { cwd, env, exit } from "node:process";

import { parseNpy, replayExact, summarize, type Check } from "../src/golden.js";
import { replayPort } from "../src/golden_port.js";
import { parseManifest } from "../src/manifest.js";
import { measure } from "../src/quality.js";
import { normalize, type Box } from "../src/resample.js";

interface ExtraCase {
  upright: string;
  prepared: string;
  box: Box | null;
  region_px: number;
  quality: Record<
    | "sharpness" | "least_sharpness" | "evenness" | "detail" | "echo" | "brightness" | "clipped" | "highlight" | "glare" | "contrast"
    | "colour" | "warmth",
    number
  >;
}

function replayExtra(folder: string): Check[] {
  const cases = JSON.parse(readFileSync(join(folder, "cases.json"), "utf8")) as ExtraCase[];
  return cases.flatMap((item, index) => {
    const upright = parseNpy(readFileSync(join(folder, item.upright)));
    const prepared = parseNpy(readFileSync(join(folder, item.prepared)));
    const size = prepared.shape[0]!;
    const [height, width] = upright.shape as [number, number];
    const found = normalize({ width, height, channels: 3, data: upright.data as Uint8Array }, size, item.box ?? undefined);
    const differing = found.image.filter((value, at) => value !== prepared.data[at]).length;
    const figures = measure(prepared.data as Uint8Array, size);
    const wrong = Object.entries(item.quality).filter(([name, value]) => figures[name as keyof typeof item.quality] !== value);
    const same = found.regionPx === item.region_px && found.image.length === prepared.data.length;
    const name = `${width}x${height} to ${size}`;
    return [
      { stage: "prepared", case: name, difference: same ? differing : Infinity, tolerance: 0, passed: same && !differing, detail: `${index}` },
      { stage: "quality", case: name, difference: wrong.length, tolerance: 0, passed: !wrong.length, detail: wrong.join("; ") },
    ] satisfies Check[];
  });
}

// npm runs this in the package's folder; paths are meant from where it was called.
const [bundle, extra] = process.argv.slice(2).map((path) => resolve(env.INIT_CWD ?? cwd(), path));
if (!bundle) {
  console.error("usage: npm test -- BUNDLE [CASES]");
  exit(2);
}
const text = readFileSync(join(bundle, "manifest.json"), "utf8");
const manifest = parseManifest(text);
const checks = await replayExact(async (path) => readFileSync(join(bundle, path)), manifest);
const port = join(bundle, "port.json");
if (existsSync(port)) checks.push(...replayPort(readFileSync(port, "utf8"), text));
console.log(`golden vectors of ${manifest.name}-${manifest.version}`);
summarize(checks).forEach((line) => console.log(`  ${line}`));
if (extra) {
  const further = replayExtra(extra);
  console.log("further captures");
  summarize(further).forEach((line) => console.log(`  ${line}`));
  checks.push(...further);
}
const failed = checks.filter(({ passed }) => !passed);
failed.forEach(({ stage, case: name, difference, detail }) => console.error(`MISMATCH ${stage}, ${name}: ${difference} ${detail}`));
exit(failed.length ? 1 : 0);
