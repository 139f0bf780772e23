/**
 * The page in Chromium: `npm test`, with $PYTHON naming an interpreter that has the runtime. Screenshots go to $SHOTS.
 *
 * $RESULTS names a file for what was measured. Verdicts and scores are compared with Python's on the same pictures; nothing here depends on which verdict a model gives.
 */

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";

import axe from "axe-core";
import { devices } from "playwright-core";

import { launch, python, serve, WEB } from "./browser.mjs";
import { observe } from "./observer.mjs";

const LOAD = { timeout: 180_000 };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const texts = JSON.parse(readFileSync(join(WEB, "src", "texts", "en.json"), "utf8"));
const manifest = JSON.parse(readFileSync(join(WEB, "..", "data", "bundle", "manifest.json"), "utf8"));

// A lesion on its side, where decoders do not look for it or cannot read it; with Python's verdicts on standard output.
const WRITE_TURNED = `
import io, json, sys
from pathlib import Path
import numpy as np
from PIL import Image
from mobile_runtime import TriagePipeline
from mobile_runtime.synthetic import lesion
folder = Path(sys.argv[1])
upright = lesion("mel", 3, 400)[:, 40:]
stored = Image.fromarray(np.ascontiguousarray(np.rot90(upright)))
short = Image.Exif()
short[0x0112] = 6
long = b"Exif\\0\\0MM\\0*\\0\\0\\0\\x08\\0\\1\\1\\x12\\0\\4\\0\\0\\0\\1\\0\\0\\0\\6\\0\\0\\0\\0"
stored.save(folder / "side.webp", lossless=True, exif=short)
stored.save(folder / "long.jpg", quality=95, exif=long)
stream = io.BytesIO()
stored.save(stream, "PNG", exif=short)
png = stream.getvalue()
begin = png.index(b"eXIf") - 4
end = begin + 12 + int.from_bytes(png[begin : begin + 4], "big")
(folder / "late.png").write_bytes(png[:begin] + png[end:-12] + png[begin:end] + png[-12:])
pipeline = TriagePipeline()
found = {name: pipeline.assess(folder / name).to_dict() for name in ("side.webp", "long.jpg", "late.png")}
found["on its side"] = pipeline.assess(np.asarray(stored)).to_dict()
print(json.dumps(found))
`;

let pictures;
let expected;
let server;
let relay;
const open = [];
const measured = { score_differences: {}, milliseconds_to_verdict: {}, axe: { states: 0, violations: 0 } };

before(async () => {
  pictures = mkdtempSync(join(tmpdir(), "skintriage-pictures-"));
  await python(["-m", "tests.mobile_runtime.web_pictures", pictures]);
  expected = JSON.parse(readFileSync(join(pictures, "expected.json"), "utf8"));
  server = await serve();
});
after(() => {
  if (process.env.RESULTS) writeFileSync(process.env.RESULTS, JSON.stringify(measured));
  server?.close();
  rmSync(pictures, { recursive: true, force: true });
});
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** The page, loaded and ready; complaints of the browser (errors, refused by the content policy) fail the test. */
async function openPage({ flags, options = PHONE, damage, ready = "#camera:enabled" } = {}) {
  relay = await observe(server.url, damage);
  const browser = await launch(flags, options);
  open.push(relay.close, browser.close);
  const page = await browser.context.newPage();
  page.setDefaultTimeout(60_000);
  page.complaints = [];
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  page.on("console", (message) => {
    // LiteRT.js logs everything as an error, with its own level in front.
    if (message.type() === "error" && !/^(INFO|WARNING): /.test(message.text())) page.complaints.push(message.text());
  });
  // Playwright starts to intercept choosers with the first listener, and does not wait until it has.
  page.on("filechooser", () => {});
  await page.goto(relay.url);
  await page.locator(ready).waitFor(LOAD);
  return page;
}

async function choose(page, name) {
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.click("#choose")]);
  await chooser.setFiles(join(pictures, name));
}

/** What the page answers when `action` is done: its decision, numbers and time. */
async function verdictAfter(page, action) {
  await page.evaluate(() => {
    globalThis.answer = new Promise((done) => {
      document.addEventListener("verdict", ({ detail }) => {
        const { assessment, milliseconds, frames, usable, spread, agreement } = detail;
        done({ ...assessment, milliseconds, frames: frames.map(({ decision }) => decision), usable, spread, agreement });
      }, { once: true });
    });
  });
  await action();
  return page.evaluate(() => globalThis.answer);
}

async function assess(page, name) {
  await choose(page, name);
  await page.locator("#assess").waitFor();
  return verdictAfter(page, () => page.click("#assess"));
}

async function violations(page) {
  await page.evaluate(axe.source);
  const found = await page.evaluate(() => globalThis.axe.run());
  measured.axe.states += 1;
  measured.axe.violations += found.violations.length;
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`);
}

async function shoot(page, name) {
  if (process.env.SHOTS) await page.screenshot({ path: join(process.env.SHOTS, `${name}.png`), fullPage: true });
}

/** Of all requests that anything in the browser made, none carries more than a short address. */
function nothingWasSent() {
  for (const { method, url, bytes } of relay.requests) {
    assert.equal(method, "GET", url);
    assert.equal(bytes, 0, url);
    assert.ok(url.length < 100 && !url.includes("?"), url);
  }
}

/** The largest difference of any score between the page's assessment and Python's. */
function scoreDifference(found, wanted) {
  const labels = Object.keys(wanted.probabilities);
  const pairs = [[found.malignancy, wanted.malignancy], ...labels.map((label) => [found.probabilities[label], wanted.probabilities[label]])];
  return Math.max(...pairs.map(([own, other]) => Math.abs((own ?? 0) - (other ?? 0))));
}

for (const colorScheme of ["light", "dark"]) {
  test(`photos get Python's verdicts; nothing for axe to complain about (${colorScheme})`, async () => {
    const page = await openPage({ options: { ...PHONE, colorScheme } });
    await shoot(page, `${colorScheme}-start`);
    assert.deepEqual(await violations(page), []);
    const names = Object.keys(expected).filter((name) => name.endsWith(".png"));
    let largest = 0;
    for (const name of names) {
      await choose(page, name);
      await page.locator("#assess").waitFor();
      await shoot(page, `${colorScheme}-framing-${name.replace(".png", "")}`);
      if (name === names[0]) assert.deepEqual(await violations(page), []);
      const found = await verdictAfter(page, () => page.click("#assess"));
      assert.equal(found.decision, expected[name].decision, name);
      assert.deepEqual(found.quality.reasons, expected[name].quality.reasons, name);
      largest = Math.max(largest, scoreDifference(found, expected[name]));
      assert.equal(await page.evaluate(() => document.activeElement.id), "verdict");
      const scored = ["refer", "low_concern"].includes(found.decision);
      assert.equal(await page.locator("#scored").isVisible(), scored, name);
      assert.equal(await page.locator("#classes").isVisible(), scored, name);
      await shoot(page, `${colorScheme}-${found.decision}`);
      await page.evaluate(() => document.querySelectorAll("details").forEach((element) => (element.open = true)));
      await shoot(page, `${colorScheme}-${found.decision}-details`);
      assert.deepEqual(await violations(page), []);
      await page.evaluate(() => document.querySelectorAll("details").forEach((element) => (element.open = false)));
      await page.click("#again");
    }
    assert.ok(largest < 1e-3, `scores differ by ${largest}`);
    measured.score_differences.png = Math.max(measured.score_differences.png ?? 0, largest);
    console.log(`largest score difference to Python, PNG: ${largest.toExponential(1)}`);
    assert.deepEqual(page.complaints, []);
  });
}

test("JPEGs: on their side, and of twelve megapixels", async () => {
  const page = await openPage();
  for (const name of ["turned.jpg", "12mp.jpg"]) {
    const found = await assess(page, name);
    const difference = scoreDifference(found, expected[name]);
    // Python decodes a large JPEG at a reduced scale, browsers in full.
    assert.ok(difference < 0.1, `${name}: ${difference}`);
    measured.score_differences[name] = difference;
    measured.milliseconds_to_verdict[name] = Math.round(found.milliseconds);
    console.log(`${name}: score difference ${difference.toExponential(1)}, ${Math.round(found.milliseconds)} ms to the verdict`);
    await page.click("#again");
  }
});

test("pictures on their side are turned as Python turns them, wherever EXIF is", async () => {
  const { output } = await python(["-c", WRITE_TURNED, pictures]);
  const { "on its side": lying, ...wanted } = JSON.parse(output);
  const page = await openPage();
  for (const [name, verdict] of Object.entries(wanted)) {
    const found = await assess(page, name);
    const tolerance = name.endsWith(".jpg") ? 1e-2 : 1e-3;
    assert.equal(found.decision, verdict.decision, name);
    assert.ok(scoreDifference(found, verdict) < tolerance, `${name}: ${scoreDifference(found, verdict)}`);
    assert.ok(scoreDifference(found, lying) > 2 * tolerance, `${name}: turned or not is the same to the model`);
    await page.click("#again");
  }
  assert.deepEqual(page.complaints, []);
});

test("no picture leaves the device", async () => {
  const page = await openPage();
  const elsewhere = [];
  page.context().on("request", (request) => {
    if (!request.url().startsWith(relay.url) && !/^(blob|data):/.test(request.url())) elsewhere.push(request.url());
  });
  await assess(page, "low_concern.png");
  await page.click("#again");
  await assess(page, "12mp.jpg");
  assert.deepEqual(elsewhere, []);
  assert.ok(relay.requests.length > 5);
  nothingWasSent();
  const kept = await page.evaluate(async () => {
    const names = await caches.keys();
    const keys = await Promise.all(names.map(async (name) => (await (await caches.open(name)).keys()).map(({ url }) => url)));
    return { urls: keys.flat(), local: localStorage.length + sessionStorage.length, databases: (await indexedDB.databases()).length };
  });
  assert.equal(kept.local + kept.databases, 0);
  for (const url of kept.urls) assert.ok(url.startsWith(relay.url) && !/low_concern|12mp/.test(url), url);
});

test("the camera: guidance, the shutter, a verdict", async () => {
  const flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", `--use-file-for-fake-video-capture=${join(pictures, "camera.y4m")}`];
  const page = await openPage({ flags, options: { ...PHONE, permissions: ["camera"] } });
  await page.click("#camera");
  await page.locator("#shutter").waitFor();
  await page.locator("#guide", { hasText: /\w/ }).waitFor();
  await page.waitForTimeout(1000);
  await shoot(page, "light-camera");
  assert.deepEqual(await violations(page), []);
  const found = await verdictAfter(page, () => page.click("#shutter"));
  assert.equal(found.frames.length, 5);
  const scored = ["refer", "low_concern"].includes(found.decision);
  if (scored) assert.ok(found.usable >= 3 && found.spread >= 0 && found.agreement > 0.7, JSON.stringify(found));
  assert.equal(await page.locator("#burst").isVisible(), scored);
  assert.equal(found.quality.region_px, 480);
  await shoot(page, "light-burst");
  assert.deepEqual(await violations(page), []);
  assert.equal(await page.evaluate(() => document.querySelector("video").srcObject), null);
  nothingWasSent();
  measured.milliseconds_to_verdict["camera, five frames"] = Math.round(found.milliseconds);
  console.log(`camera: ${found.decision}, ${Math.round(found.milliseconds)} ms from shutter to verdict`);
  await page.click("#again");
  await page.locator("#shutter").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "shutter");
  await page.click("#stop");
  assert.deepEqual(page.complaints, []);
});

test("a photo that is chosen while the camera runs ends the camera", async () => {
  const flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
  const page = await openPage({ flags, options: { ...PHONE, permissions: ["camera"] } });
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.click("#choose")]);
  await page.click("#camera");
  await page.locator("#shutter").waitFor();
  const track = await page.evaluateHandle(() => document.querySelector("video").srcObject.getVideoTracks()[0]);
  await chooser.setFiles(join(pictures, "low_concern.png"));
  await page.locator("#assess").waitFor();
  assert.equal(await track.evaluate(({ readyState }) => readyState), "ended");
  assert.equal(await page.locator("video").evaluate(({ srcObject }) => srcObject), null);
  assert.equal((await verdictAfter(page, () => page.click("#assess"))).decision, expected["low_concern.png"].decision);
});

test("frames that disagree give no score", async (t) => {
  if (!expected["refer.png"] || !expected["low_concern.png"]) return t.skip("this model is sure about every drawing");
  const flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
  const page = await openPage({ flags, options: { ...PHONE, permissions: ["camera"] } });
  const bytes = ["low_concern", "refer"].map((name) => [...readFileSync(join(pictures, `${name}.png`))]);
  // From the shutter on, the camera gives these pictures instead of its own.
  await page.evaluate((files) => {
    const original = globalThis.createImageBitmap;
    let queue = [];
    globalThis.createImageBitmap = (source, ...rest) => {
      const turn = source instanceof HTMLVideoElement ? queue.shift() : undefined;
      return turn === undefined ? original(source, ...rest) : original(new Blob([new Uint8Array(files[turn])]));
    };
    document.getElementById("shutter").addEventListener("click", () => (queue = [0, 1, 0, 1, 0]), { capture: true });
  }, bytes);
  await page.click("#camera");
  await page.locator("#shutter").waitFor();
  const found = await verdictAfter(page, () => page.click("#shutter"));
  assert.deepEqual(found.frames, ["low_concern", "refer", "low_concern", "refer", "low_concern"]);
  assert.equal(found.decision, "retake");
  assert.equal(found.malignancy, null);
  assert.equal(await page.locator("#meaning").textContent(), texts.burst.disagree);
  assert.match(await page.locator("#advice").textContent(), /^3 of 5 /);
  assert.equal(await page.locator("#scored").isVisible(), false);
  await shoot(page, "light-disagree");
  assert.deepEqual(await violations(page), []);
});

test("a camera that is not allowed, and none at all", async () => {
  const denied = await openPage({ flags: ["--use-fake-device-for-media-stream", "--deny-permission-prompts"] });
  await denied.click("#camera");
  await denied.locator("#fault", { hasText: texts.capture.denied }).waitFor();
  await shoot(denied, "light-denied");
  assert.deepEqual(await violations(denied), []);
  const absent = await openPage({ options: { ...PHONE, permissions: ["camera"] } });
  await absent.click("#camera");
  await absent.locator("#fault", { hasText: texts.capture.absent }).waitFor();
  assert.equal((await assess(absent, "low_concern.png")).decision, expected["low_concern.png"].decision);
});

test("installable, and off line after the first visit", async () => {
  const page = await openPage();
  await page.evaluate(() => navigator.serviceWorker.ready);
  const devtools = await page.context().newCDPSession(page);
  const { installabilityErrors } = await devtools.send("Page.getInstallabilityErrors");
  assert.deepEqual(installabilityErrors, []);
  await page.goto(`${relay.url}bundle/model_card.md`);
  assert.equal(await page.locator("#camera").count(), 0, "another document than the page");
  await page.goto(`${relay.url}index.html?from=elsewhere`);
  await page.locator("#camera:enabled").waitFor(LOAD);
  relay.close();
  await page.reload();
  await page.locator("#camera:enabled").waitFor(LOAD);
  assert.equal((await assess(page, "refer.png")).decision, expected["refer.png"].decision);
});

test("a model that is not the released one is refused, and taken once it is mended", async () => {
  const path = `/bundle/${manifest.variants[manifest.default_variant].path}`;
  const flip = (body) => {
    body[body.length >> 1] ^= 1;
    return body;
  };
  const page = await openPage({ damage: { [path]: flip }, ready: "#failure" });
  assert.equal(await page.locator("#failure-text").textContent(), texts.load.altered);
  assert.equal(await page.locator("#capture").isVisible(), false);
  await shoot(page, "light-corrupt");
  assert.deepEqual(await violations(page), []);
  delete relay.damage[path];
  await page.click("#retry");
  await page.locator("#camera:enabled").waitFor(LOAD);

  // What was kept on the device may be damaged too.
  await page.evaluate(async () => {
    const cache = await caches.open("skintriage-bundle");
    const model = (await cache.keys()).find(({ url }) => url.includes("sha256"));
    await cache.put(model, new Response(new Uint8Array(1000)));
  });
  await page.reload();
  await page.locator("#camera:enabled").waitFor(LOAD);
  assert.equal((await assess(page, "refer.png")).decision, expected["refer.png"].decision);
});

test("pictures that cannot be used say why", async () => {
  const page = await openPage();
  for (const [name, code] of [["tiny.png", "too_few_pixels"], ["cut.jpg", "truncated"], ["text.jpg", "format"]]) {
    await choose(page, name);
    await page.locator("#fault", { hasText: texts.fault[code] }).waitFor();
  }
  await shoot(page, "light-fault");
  assert.deepEqual(await violations(page), []);
  assert.equal((await assess(page, "low_concern.png")).decision, expected["low_concern.png"].decision);
});

test("by keyboard alone", async () => {
  const page = await openPage({ options: { viewport: { width: 1000, height: 800 } } });
  await page.focus("#choose");
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.keyboard.press("Enter")]);
  await chooser.setFiles(join(pictures, "low_concern.png"));
  await page.locator("#assess").waitFor();
  for (const id of ["zoom", "across", "down", "assess"]) {
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.id), id);
    if (id !== "assess") await page.keyboard.press("ArrowRight");
  }
  await verdictAfter(page, () => page.keyboard.press("Enter"));
  assert.equal(await page.evaluate(() => document.activeElement.id), "verdict");
  await shoot(page, "wide-verdict");
});

test("another setting gives another threshold; the framing can be changed", async () => {
  const page = await openPage();
  await assess(page, "refer.png");
  await page.evaluate(() => document.querySelectorAll("details").forEach((element) => (element.open = true)));
  const found = await verdictAfter(page, () => page.selectOption("#point", "rule_in"));
  assert.equal(found.operatingPoint, "rule_in");
  assert.equal(found.point.threshold, manifest.variants[manifest.default_variant].operating_points.rule_in.threshold);
  // By keyboard another setting is passed on the way: what is shown is that of the last.
  const last = Object.keys(manifest.variants[manifest.default_variant].operating_points).at(-1);
  const settled = await verdictAfter(page, () =>
    page.evaluate((names) => {
      const select = document.querySelector("#point");
      for (const name of names) {
        select.value = name;
        select.dispatchEvent(new Event("change"));
      }
    }, ["balanced", last]),
  );
  assert.equal(settled.operatingPoint, last);
  await page.click("#adjust");
  await page.locator("#zoom").fill("8");
  const closer = await verdictAfter(page, () => page.click("#assess"));
  assert.equal(closer.quality.region_px, 50);
  assert.equal(closer.decision, "retake");
});

test("fits phones, touch targets are large", async () => {
  for (const options of [devices["Pixel 7"], { ...PHONE, viewport: { width: 320, height: 640 } }]) {
    const page = await openPage({ options });
    const fits = () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
    assert.ok(await fits());
    await assess(page, "refer.png");
    await page.evaluate(() => document.querySelectorAll("details").forEach((element) => (element.open = true)));
    assert.ok(await fits());
    for (const box of await page.locator("button:visible").all()) assert.ok((await box.boundingBox()).height >= 44);
    await shoot(page, `width-${options.viewport.width}`);
  }
});
