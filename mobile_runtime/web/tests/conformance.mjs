/**
 * Golden vectors in Chromium: `npm run conformance -- [BUNDLE] [VARIANT]`; the bundle that ships is the default.
 *
 * Every stage, with inference by LiteRT.js, and the port.json of a kit's bundle/. Exit status 1 when a stage before or after inference, or inference, is not met;
 * what the browser's decoders do differently is printed.
 */

import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

import { build } from "esbuild";

import { launch, REPOSITORY, WEB } from "./browser.mjs";

const RUNTIME = "litert_wasm_compat_internal.js";
const ORIGIN = "http://localhost";
// --json prints checks and times for a program to judge, and the exit status is then 0.
const asJson = process.argv.includes("--json");
const words = process.argv.slice(2).filter((word) => word !== "--json");
const [bundle = join(REPOSITORY, "mobile_runtime", "data", "bundle"), variant] = words;
const folder = resolve(process.env.INIT_CWD ?? ".", bundle);

const script = await build({
  entryPoints: [join(WEB, "tests", "conformance.page.ts")], nodePaths: [join(WEB, "node_modules")],
  bundle: true, write: false, format: "iife", target: "es2022",
});
const { context, close } = await launch();
try {
  const page = await context.newPage();
  page.on("pageerror", (error) => console.error(error));
  // Files come from disk without a server.
  await page.route("**/*", (route) => {
    const path = new URL(route.request().url()).pathname;
    if (path === "/") return route.fulfill({ contentType: "text/html", body: "<!doctype html><title>conformance</title>" });
    const file = path.startsWith("/bundle/")
      ? join(folder, path.slice("/bundle/".length))
      : join(WEB, "node_modules", "@litertjs", "core", "wasm", path.slice(1));
    if (!existsSync(file)) return route.fulfill({ status: 404 });
    const contentType = path.endsWith(".js") ? "text/javascript" : path.endsWith(".wasm") ? "application/wasm" : "application/octet-stream";
    return route.fulfill({ contentType, body: readFileSync(file) });
  });
  await page.goto(`${ORIGIN}/`);
  await page.evaluate(script.outputFiles[0].text);
  const { lines, checks, timesMs } = await page.evaluate(
    ([name, runtime]) => globalThis.conform(name, runtime), [variant, `${ORIGIN}/${process.env.RUNTIME ?? RUNTIME}`],
  );
  if (asJson) lines.splice(0, lines.length, JSON.stringify({ checks, timesMs }));
  else lines.push(`inference, median of ${timesMs.length}: ${timesMs[timesMs.length >> 1].toFixed(1)} ms`);
  lines.forEach((line) => console.log(line));
  const failed = checks.filter(({ passed }) => !passed);
  failed.forEach(({ stage, case: name, difference, detail }) => console.error(`MISMATCH ${stage}, ${name}: ${difference} ${detail}`));
  process.exitCode = failed.length && !asJson ? 1 : 0;
} finally {
  await close();
}
