/** The web kit's own code in node, without a browser: `node --test tests/port.test.mjs`. */

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { after, before, test } from "node:test";

import { build } from "esbuild";

import { python, REPOSITORY, WEB } from "./browser.mjs";

const manifest = JSON.parse(readFileSync(join(WEB, "..", "data", "bundle", "manifest.json"), "utf8"));
const SOURCES = join(REPOSITORY, "export", "kit_sources", "web", "src");

// Drawn lesions as JPEG and WebP, of several kinds.
const WRITE = `
import sys
from pathlib import Path
from PIL import Image
from mobile_runtime import synthetic
folder = Path(sys.argv[1])
folder.mkdir()
image = Image.fromarray(synthetic.lesion("nv", 7, 400))
for quality in (60, 90):
    image.save(folder / f"{quality}.jpg", quality=quality)
    image.save(folder / f"{quality}.webp", quality=quality)
image.save(folder / "444.jpg", quality=95, subsampling=0)
image.save(folder / "picture.png")
for quality in (40, 95):
    image.save(folder / f"progressive-{quality}.jpg", quality=quality, progressive=True)
image.save(folder / "lossless.webp", lossless=True)
image.convert("RGB").save(folder / "extended.webp", quality=80, exif=Image.Exif())
image.save(folder / "animated.webp", save_all=True, append_images=[Image.new("RGB", image.size)])
`;

// Real HEIC files in standard and high dynamic range; nothing where the extra for them is missing.
const WRITE_HEIC = `
import sys
from pathlib import Path
from PIL import Image, ImageCms
try:
    import pillow_heif
except ImportError:
    sys.exit(0)
from mobile_runtime import TriagePipeline, synthetic
from mobile_runtime.errors import CaptureError
pillow_heif.register_heif_opener()
image = Image.fromarray(synthetic.lesion("nv", 7, 200))
profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
pipeline = TriagePipeline()
for transfer in (13, 16, 18):
    for icc in (None, profile):
        file = Path(sys.argv[1]) / f"{transfer}{'-profile' if icc else ''}.heic"
        colours = {"color_primaries": 9, "transfer_characteristics": transfer, "matrix_coefficients": 9}
        image.save(file, save_nclx_profile=True, **colours, **({"icc_profile": icc} if icc else {}))
        try:
            pipeline.assess(file)
            print(file.name, "accepted")
        except CaptureError as error:
            print(file.name, str(error).removeprefix(f"{file}: "))
`;

let folder;
let port;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "skintriage-port-"));
  const modules = ["pipeline", "photo", "burst", "frames", "manifest", "resample"];
  const contents = modules.map((name) => `export * from "./${name}.js";`).join("");
  const outfile = join(folder, "port.mjs");
  const stdin = { contents, resolveDir: SOURCES, loader: "ts" };
  await build({ stdin, bundle: true, format: "esm", outfile, logLevel: "warning" });
  port = await import(pathToFileURL(outfile).href);
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** What a model may give that puts this much on the malignant classes. */
function outputsOf(malignancy) {
  const weights = manifest.scores.find(({ name }) => name === "malignancy").weights;
  const ill = weights.filter(Boolean).length;
  const probabilities = weights.map((weight) => (weight ? malignancy / ill : (1 - malignancy) / (weights.length - ill)));
  const scores = manifest.scores.map((score) => probabilities.reduce((sum, value, index) => sum + value * score.weights[index], 0));
  return { probabilities: Float32Array.from(probabilities), scores: Float32Array.from(scores), outlier: Float32Array.of(1) };
}

const good = { sharpness: 0, brightness: 0, clipped: 0, glare: 0, contrast: 0, colour: 0, region_px: null, reasons: [] };

function pipelineOf() {
  const variant = manifest.variants[manifest.default_variant];
  return new port.TriagePipeline(manifest, { variant, run: () => Promise.reject(new Error("nothing is run")) });
}

test("names that every object has are no variants and no operating points", () => {
  for (const name of ["toString", "constructor", "__proto__"]) {
    assert.throws(() => port.variantOf(manifest, name), { name: "BundleError", code: "missing" }, name);
    assert.throws(() => pipelineOf().assessment(good, outputsOf(0.4), name), { name: "BundleError", code: "missing" }, name);
    const text = JSON.stringify({ ...manifest, default_operating_point: name });
    assert.throws(() => port.parseManifest(text), { name: "BundleError", code: "malformed" }, name);
  }
});

test("a variant that has an outlier score gives it", () => {
  assert.throws(() => pipelineOf().assessment(good, { ...outputsOf(0.4), outlier: null }), { name: "BundleError", code: "refused" });
});

test("a burst may have very many frames", () => {
  const frame = pipelineOf().assessment(good, outputsOf(0.001));
  const { assessment, usable } = port.combine(Array(300_000).fill(frame));
  assert.deepEqual([assessment.decision, usable], ["low_concern", 300_000]);
});

test("a buffer of another length, sizes that are no whole numbers and sizes out of bounds are refused", () => {
  const picture = { width: 40, height: 30, channels: 3, data: new Uint8Array(40 * 30 * 3) };
  assert.equal(port.normalize(picture, 32).image.length, 32 * 32 * 3);
  const faults = [
    { data: picture.data.subarray(1) }, { data: new Uint8Array(40 * 30 * 4) }, { channels: 4 }, { channels: 1 }, { width: 40.5 },
    { height: NaN }, { width: "40" }, { width: 60, height: 20.5 }, { width: 32, height: 32 },
  ];
  for (const fault of faults) {
    assert.throws(() => port.normalize({ ...picture, ...fault }, 32), { name: "CaptureError", code: "frame" }, Object.keys(fault).join());
  }
  for (const size of [0, -1, 1.5, NaN, Infinity, 5000, "32"]) {
    assert.throws(() => port.normalize(picture, size), { name: "CaptureError", code: "frame" }, `${size}`);
  }
  const resampler = new port.Resampler(20, 20, 16);
  for (const [left, top, count] of [[21, 0, 20], [0, 11, 20], [-1, 0, 20], [0, -1, 20], [0.5, 0, 20], [0, 0, 21], [0, 0, 1.5]]) {
    assert.throws(() => resampler.push(picture, left, top, count), { name: "CaptureError", code: "frame" }, `${left},${top},${count}`);
  }
  resampler.push(picture, 20, 10, 20);
  assert.equal(resampler.finish().length, 16 * 16 * 3);
});

test("a camera frame that could only be read wrongly is refused", () => {
  const noise = Uint8Array.from({ length: 64 * 64 }, (_, index) => (index * index * 7) % 251);
  const plane = (fields) => ({ data: noise, rowStride: 64, pixelStride: 1, ...fields });
  const frame = {
    layout: "nv12", width: 32, height: 32, planes: [plane()], matrix: "bt601", valueRange: "full", rotation: 0, mirrored: false,
  };
  assert.equal(port.toRgb(frame).data.length, 32 * 32 * 3);
  const packed = { ...frame, layout: "rgba", width: 16, height: 16, matrix: null, valueRange: null, planes: [plane({ pixelStride: 4 })] };
  const faults = [
    { ...frame, layout: "nv24" }, { ...frame, layout: "toString" }, { ...frame, width: "32" }, { ...frame, height: 31.5 },
    { ...frame, planes: [] }, { ...frame, planes: [plane(), plane({ pixelStride: 2 }), plane()] },
    { ...frame, layout: "yuv_420_888" }, { ...frame, planes: [plane({ rowStride: 64.5 })] },
    { ...frame, planes: [plane({ pixelStride: 1.5 })] }, { ...frame, planes: [plane({ rowStride: NaN })] },
    { ...packed, layout: "rgb", planes: [plane({ pixelStride: 3 }), plane()] }, packed, { ...packed, layout: "bgra" },
  ];
  for (const [index, fault] of faults.entries()) {
    assert.throws(() => port.toRgb(fault), { name: "CaptureError", code: "frame" }, `${index}: ${fault.layout}`);
  }
  // What pads a row may be anything.
  const opaque = plane({ pixelStride: 4, rowStride: 72, data: noise.map((value, at) => (at % 72 < 64 && at % 4 === 3 ? 255 : value)) });
  for (const layout of ["rgba", "bgra"]) assert.equal(port.toRgb({ ...packed, layout, planes: [opaque] }).data.length, 16 * 16 * 3);
});

test("a verdict is by the limits of the variant that the engine runs", () => {
  const usual = manifest.variants[manifest.default_variant];
  const pointOf = (threshold) => ({ ...usual.operating_points[manifest.default_operating_point], threshold });
  const variantOf = (name, threshold, limit) =>
    ({ ...usual, name, abstention: { limit }, operating_points: { [manifest.default_operating_point]: pointOf(threshold) } });
  const [high, low, strict] = [variantOf("high", 0.6, 2), variantOf("low", 0.2, 2), variantOf("strict", 0.6, 0.5)];
  const both = { ...manifest, default_variant: "high", variants: { high, low, strict } };
  const found = [high, low, strict].map((variant) => {
    const pipeline = new port.TriagePipeline(both, { variant, run: () => Promise.reject(new Error("nothing is run")) });
    return pipeline.assessment(good, outputsOf(0.4)).decision;
  });
  assert.deepEqual(found, ["low_concern", "refer", "abstain"]);
});

test("a file whose rest is zeros is refused, a whole one is not", async () => {
  const pictures = join(folder, "pictures");
  await python(["-c", WRITE, pictures]);
  const names = readdirSync(pictures).filter((name) => !name.startsWith("progressive"));
  assert.ok(names.length >= 7);
  for (const name of names) {
    const whole = new Uint8Array(readFileSync(join(pictures, name)));
    port.checkFile(whole);
    // Of a JPEG that keeps its end, or of a file that goes on after the zeros, nothing else is amiss.
    const last = name.endsWith(".jpg") ? whole.length - 2 : name.endsWith(".png") ? whole.length - 12 : whole.length;
    for (const share of [0.3, 0.5, 0.8]) {
      const from = Math.round(share * whole.length);
      for (const to of name === "lossless.webp" ? [last] : [last, Math.min(last, from + 60)]) {
        const holed = whole.slice().fill(0, from, to);
        assert.throws(() => port.checkFile(holed), { code: "truncated" }, `${name}, ${from} to ${to} of ${whole.length}`);
      }
    }
  }
});

test("real HEIC files in high dynamic range are refused as in Python", async (context) => {
  const { output } = await python(["-c", WRITE_HEIC, folder]);
  if (!output) return context.skip("needs pillow-heif");
  const answers = output.trim().split("\n").map((line) => line.split(/ (.*)/));
  for (const [name, answer] of answers) {
    const check = () => port.checkFile(new Uint8Array(readFileSync(join(folder, name))));
    if (answer === "accepted") check();
    else assert.throws(check, { code: "high_dynamic_range", message: answer }, name);
  }
  assert.deepEqual(new Set(answers.map(([, answer]) => answer === "accepted")), new Set([true, false]));
});

test("a progressive JPEG that ends before its last scan is refused", () => {
  const pictures = join(folder, "pictures");
  for (const name of readdirSync(pictures).filter((each) => each.startsWith("progressive"))) {
    const whole = readFileSync(join(pictures, name));
    port.checkFile(new Uint8Array(whole));
    const scans = [];
    for (let at = whole.indexOf("ffda", 0, "hex"); at >= 0; at = whole.indexOf("ffda", at + 1, "hex")) scans.push(at);
    assert.ok(scans.length >= 6);
    for (const begin of scans.slice(1)) {
      const cut = Buffer.concat([whole.subarray(0, begin), Buffer.from("ffd9", "hex")]);
      assert.throws(() => port.checkFile(new Uint8Array(cut)), { code: "truncated" }, `${name}, ${begin} of ${whole.length}`);
    }
  }
});

test("scans beyond number are refused at once", () => {
  const frame = [0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 0, 64, 0, 64, 3, 1, 17, 0, 2, 17, 0, 3, 17, 0];
  const scan = [0xff, 0xda, 0, 2];
  const file = new Uint8Array([...frame, ...Array.from({ length: 1 << 16 }, () => scan).flat(), 0xff, 0xd9]);
  const begun = performance.now();
  assert.throws(() => port.checkFile(file), { code: "truncated" });
  assert.ok(performance.now() - begun < 1000); // to the end it would take ten times as long
});
