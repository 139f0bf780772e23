/** The page: load the bundle, take or choose a picture, frame it, show the verdict. */

import {
  BundleError, CaptureError, normalizeDrawable, openPhoto, type Box, type Capture,
} from "../../../export/kit_sources/web/src/index.js";
import { loadBundle, type Loaded } from "./bundle.js";
import { Camera, CameraError } from "./camera.js";
import { draw, Framing } from "./framing.js";
import { texts } from "./texts.js";
import { byId, list, showVerdict } from "./verdict.js";

const GUIDE_EVERY_MS = 400;
const BURST_FRAMES = 5;
const BURST_EVERY_MS = 120;

let loaded: Loaded;
/** What the verdict on show is about; kept for another setting or framing, and let go with the next picture. */
let shown: { captures: Capture[]; photo: ImageBitmap | null } | null = null;
let photo: ImageBitmap | null = null;
/** While a burst is taken there is no guidance: it would come too late and take frames away. */
let taking = false;

const video = byId<HTMLVideoElement>("video");
const camera = new Camera(video, () => closeCamera(texts.capture.ended));
const sliders = { zoom: byId<HTMLInputElement>("zoom"), across: byId<HTMLInputElement>("across"), down: byId<HTMLInputElement>("down") };
const framing = new Framing(byId<HTMLCanvasElement>("preview"), sliders, () => guideFraming());

function show(...ids: string[]): void {
  for (const id of ["failure", "capture", "result"]) byId(id).hidden = !ids.includes(id);
}

/** Which controls of the capture card are there: at the start, with the camera, or framing a photo. */
function captureMode(mode: "start" | "camera" | "framing"): void {
  const parts = {
    viewfinder: mode !== "start", guide: mode !== "start", purpose: mode === "start",
    video: mode === "camera", shutter: mode === "camera", stop: mode === "camera",
    preview: mode === "framing", framing: mode === "framing", assess: mode === "framing", cancel: mode === "framing",
    camera: mode === "start", choose: mode === "start",
  };
  for (const [id, there] of Object.entries(parts)) byId(id).hidden = !there;
  byId("capture-title").textContent = mode === "framing" ? texts.framing.title : texts.capture.title;
  byId("capture-hint").textContent = { start: texts.capture.hint, camera: texts.capture.aim, framing: texts.framing.hint }[mode];
  guide("");
  fault("");
  show("capture");
}

function fault(message: string): void {
  byId("fault").textContent = message;
  byId("fault").hidden = !message;
}

function guide(message: string, good = false): void {
  const element = byId("guide");
  // Only a change is written, because screen readers read each one out.
  if (element.textContent !== message) element.textContent = message;
  element.classList.toggle("good", good);
}

function guideTo(capture: Capture, good: string): void {
  const [reason] = loaded.pipeline.judge(capture).reasons;
  guide(reason ? texts.advice[reason] : good, !reason);
}

function messageOf(error: unknown): string {
  if (error instanceof CaptureError) return texts.fault[error.code];
  if (error instanceof CameraError) return texts.capture[error.code];
  if (error instanceof BundleError) return texts.load[error.code];
  console.error(error);
  return texts.fault.unexpected;
}

const normalize = (picture: ImageBitmap, box?: Box): Capture =>
  normalizeDrawable(picture, picture.width, picture.height, loaded.manifest.input.size, box);

const wait = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));
const painted = (): Promise<number> =>
  new Promise((resolve) => requestAnimationFrame(() => setTimeout(() => resolve(performance.now()))));

/** From captures to a verdict on the screen; `picture` is shown beside it, `since` is when the user asked for it. */
async function assess(captures: Capture[], picture: ImageBitmap, since: number, box?: Box): Promise<void> {
  draw(byId<HTMLCanvasElement>("picture"), picture, box);
  const ofPhoto = picture === photo;
  shown = { captures, photo: ofPhoto ? picture : null };
  byId("adjust").hidden = !ofPhoto;
  await showAssessment(since);
}

/** A verdict is shown only of the picture and the operating point that are still chosen when it is there. */
async function showAssessment(since: number): Promise<void> {
  const asked = shown;
  const point = byId<HTMLSelectElement>("point");
  while (asked && asked === shown) {
    const used = point.value;
    const burst = await loaded.pipeline.assessBurst(asked.captures, used);
    if (asked !== shown) return;
    if (used !== point.value) continue;
    showVerdict(burst, loaded.manifest, performance.now() - since);
    show("result");
    byId("verdict").focus();
    const milliseconds = (await painted()) - since;
    if (asked !== shown) return;
    if (used !== point.value) continue;
    showVerdict(burst, loaded.manifest, milliseconds);
    const detail = { ...burst, milliseconds };
    document.dispatchEvent(new CustomEvent("verdict", { detail }));
    return;
  }
}

async function openCamera(): Promise<void> {
  try {
    guide("");
    byId("status").textContent = texts.capture.starting;
    await camera.start();
    captureMode("camera");
    byId("shutter").focus();
    void guideCamera();
  } catch (error) {
    captureMode("start");
    fault(messageOf(error));
  } finally {
    byId("status").textContent = "";
  }
}

function closeCamera(message = ""): void {
  camera.stop();
  captureMode("start");
  fault(message);
  byId("camera").focus();
}

async function guideCamera(): Promise<void> {
  const { stream } = camera;
  while (stream && camera.stream === stream) {
    const frame = taking ? null : await camera.frame();
    if (frame && !taking && camera.stream === stream) guideTo(normalize(frame), texts.capture.good);
    frame?.close();
    await wait(GUIDE_EVERY_MS);
  }
}

function guideFraming(): void {
  if (photo) guideTo(normalize(photo, framing.box), texts.framing.good);
}

async function takePicture(): Promise<void> {
  const since = performance.now();
  const captures: Capture[] = [];
  let first: ImageBitmap | null = null;
  taking = true;
  guide(texts.capture.hold);
  try {
    while (camera.running && captures.length < BURST_FRAMES) {
      if (captures.length) await wait(BURST_EVERY_MS);
      const frame = await camera.frame();
      if (frame) captures.push(normalize(frame));
      else await wait(BURST_EVERY_MS);
      if (first) frame?.close();
      else first = frame;
    }
    if (!first || !camera.running) return;
    camera.stop();
    await assess(captures, first, since);
  } finally {
    taking = false;
    first?.close();
  }
}

async function choosePhoto(file: File): Promise<void> {
  byId("status").textContent = texts.capture.working;
  try {
    const opened = await openPhoto(file);
    photo?.close();
    photo = opened;
    frame(opened);
  } catch (error) {
    captureMode("start");
    fault(messageOf(error));
  } finally {
    byId("status").textContent = "";
  }
}

function frame(picture: ImageBitmap): void {
  // The system's chooser may have been open while the camera was started.
  camera.stop();
  shown = null;
  captureMode("framing");
  framing.open(picture);
  byId("capture-title").focus();
}

function startOver(): void {
  camera.stop();
  photo?.close();
  photo = shown = null;
  captureMode("start");
  byId("capture-title").focus();
}

/** Do what a control asks for, once at a time; after an error that nothing expected no verdict may stay on show. */
function on(id: string, event: string, action: () => unknown): void {
  let busy = false;
  byId(id).addEventListener(event, async () => {
    if (busy) return;
    busy = true;
    try {
      await action();
    } catch (error) {
      startOver();
      fault(messageOf(error));
    } finally {
      busy = false;
    }
  });
}

function describe({ manifest, id }: Loaded): void {
  const points = Object.keys(manifest.variants[manifest.default_variant]!.operating_points);
  const names: Record<string, string> = texts.details;
  byId("point").replaceChildren(...points.map((name) => new Option(names[name] ?? name, name)));
  byId<HTMLSelectElement>("point").value = manifest.default_operating_point;
  byId("intended").textContent = manifest.intended_use;
  list("limitations", manifest.limitations);
  byId("model").textContent = `${id}, ${manifest.default_variant}`;
  byId("licence").textContent = manifest.licence;
  byId("about").hidden = false;
}

/** The first card is there at once, so that it can be read while the model loads; its buttons wait for the model. */
async function start(): Promise<void> {
  captureMode("start");
  byId("status").textContent = texts.load.working;
  try {
    loaded = await loadBundle();
    describe(loaded);
    byId<HTMLButtonElement>("camera").disabled = byId<HTMLButtonElement>("choose").disabled = false;
  } catch (error) {
    byId("failure-text").textContent = isSecureContext ? messageOf(error) : texts.load.insecure;
    show("failure");
    byId("failure-title").focus();
  } finally {
    byId("status").textContent = "";
  }
}

const chooser = byId<HTMLInputElement>("file");
on("choose", "click", () => chooser.click());
on("file", "change", async () => {
  const [file] = chooser.files ?? [];
  if (file) await choosePhoto(file);
  chooser.value = "";
});
on("camera", "click", openCamera);
on("shutter", "click", takePicture);
on("stop", "click", () => closeCamera());
on("assess", "click", () => photo && assess([normalize(photo, framing.box)], photo, performance.now(), framing.box));
on("adjust", "click", () => shown?.photo && frame(shown.photo));
on("cancel", "click", startOver);
on("again", "click", async () => {
  const byCamera = shown && !shown.photo;
  startOver();
  if (byCamera) await openCamera();
});
on("retry", "click", start);
on("point", "change", () => byId("result").hidden || showAssessment(performance.now()));
// Nobody should be filmed by a page that is not on show.
document.addEventListener("visibilitychange", () => document.hidden && camera.running && closeCamera());

if ("serviceWorker" in navigator) void navigator.serviceWorker.register("sw.js").catch(console.error);
void start();
