/** Runs in the browser: golden vectors through the browser's decoders and LiteRT.js. */

import { replayDecoding, replayExact, replayOutputs, summarize, type Check } from "../../../export/kit_sources/web/src/golden.js";
import { replayPort, replayTurned } from "../../../export/kit_sources/web/src/golden_port.js";
import { Engine, openPhoto, parseManifest, readPixels, variantOf, type Pixels } from "../../../export/kit_sources/web/src/index.js";

const read = async (path: string): Promise<Uint8Array<ArrayBuffer>> => new Uint8Array(await (await fetch(`/bundle/${path}`)).arrayBuffer());

async function conform(variantName: string | undefined, runtime: string): Promise<{ lines: string[]; checks: Check[]; timesMs: number[] }> {
  const text = new TextDecoder().decode(await read("manifest.json"));
  const manifest = parseManifest(text);
  const variant = variantOf(manifest, variantName);
  const engine = await Engine.open(manifest, variant, await read(variant.path), runtime);
  const response = await fetch("/bundle/port.json");
  const port = response.ok ? await response.text() : null;
  const checks = [
    ...(await replayExact(read, manifest)),
    ...(port ? replayPort(port, text) : []),
    ...(await replayOutputs(read, variant.name, (image) => engine.run(image))),
  ];
  const decode = async (file: Uint8Array): Promise<Pixels> => {
    const photo = await openPhoto(new Blob([file as Uint8Array<ArrayBuffer>]));
    return { width: photo.width, height: photo.height, channels: 3, data: readPixels(photo) };
  };
  const decoding = [...(await replayDecoding(read, decode)), ...(port ? await replayTurned(port, decode) : [])];
  const image = new Uint8Array(manifest.input.size ** 2 * 3).map((_, index) => (index * 7) % 251);
  const times: number[] = [];
  for (let i = 0; i < 30; i++) {
    const start = performance.now();
    await engine.run(image);
    times.push(performance.now() - start);
  }
  const lines = [
    `${manifest.name}-${manifest.version}, ${variant.name}`,
    ...summarize(checks).map((line) => `  ${line}`),
    ...["probabilities", "scores", "outlier"].map((role) => {
      const own = checks.filter(({ stage, case: name }) => stage === "outputs" && name.endsWith(` ${role}`));
      const [worst, allowed] = [Math.max(...own.map(({ difference }) => difference)), own[0]?.tolerance ?? 0];
      return `  outputs, ${role}: largest difference ${worst.toPrecision(3)}, allowed ${allowed.toPrecision(3)}`;
    }),
    "decoded by the browser, levels of 255",
    ...decoding.map(({ case: name, difference, tolerance }) => `  ${name}: largest difference ${difference}, allowed ${tolerance}`),
  ];
  return { lines, checks: [...checks, ...decoding], timesMs: times.sort((a, b) => a - b) };
}

Object.assign(globalThis, { conform });
