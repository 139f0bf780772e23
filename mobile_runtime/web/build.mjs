/** Builds app/ from src/: `npm run build`, or another folder if one is named. The same sources give the same bytes. */

import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "src");
const app = resolve(process.argv[2] ?? join(here, "app"));
const packages = join(here, "node_modules");
const runtime = join(packages, "@litertjs", "core", "wasm");
const texts = JSON.parse(readFileSync(join(source, "texts", "en.json"), "utf8"));

// For hosts other than `skintriage serve`, which sends the same as a header.
const CSP =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
  "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'";

const filled = (name) =>
  readFileSync(join(source, name), "utf8").replace(/\{\{([\w.]+)\}\}/g, (_, path) => {
    const value = path === "csp" ? CSP : path.split(".").reduce((node, key) => node?.[key], texts);
    if (typeof value !== "string") throw new Error(`${name}: no text ${path}`);
    return value.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
  });

const options = {
  absWorkingDir: here, bundle: true, minify: true, format: "esm", target: "es2022", outdir: app, nodePaths: [packages],
  legalComments: "none", logLevel: "warning", charset: "utf8",
};

rmSync(app, { recursive: true, force: true });
mkdirSync(app, { recursive: true });
await build({ ...options, entryPoints: ["src/main.ts", "src/style.css"] });
for (const name of ["index.html", "app.webmanifest"]) writeFileSync(join(app, name), filled(name));
for (const name of readdirSync(join(source, "icons"))) copyFileSync(join(source, "icons", name), join(app, name));
for (const name of ["litert_wasm_compat_internal.js", "litert_wasm_compat_internal.wasm"]) {
  writeFileSync(join(app, name), readFileSync(join(runtime, name)));
}

const files = readdirSync(app).sort();
const digest = createHash("sha256");
for (const name of files) digest.update(name).update(readFileSync(join(app, name)));
await build({
  ...options,
  entryPoints: ["src/sw.ts"],
  define: {
    VERSION: JSON.stringify(digest.digest("hex").slice(0, 12)),
    FILES: JSON.stringify(files.map((name) => (name === "index.html" ? "./" : name))),
  },
});

let [raw, packed] = [0, 0];
for (const name of readdirSync(app)) {
  raw += statSync(join(app, name)).size;
  packed += gzipSync(readFileSync(join(app, name))).length;
}
const mebibytes = (bytes) => (bytes / 2 ** 20).toFixed(2);
console.log(`app/: ${files.length + 1} files, ${mebibytes(raw)} MiB, ${mebibytes(packed)} MiB gzipped, without the model`);
