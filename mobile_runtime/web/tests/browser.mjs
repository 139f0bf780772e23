/** What the browser tests share: Chromium, Python, and the page's server. */

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { chromium } from "playwright-core";

export const WEB = resolve(import.meta.dirname, "..");
export const REPOSITORY = resolve(WEB, "..", "..");
export const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const PYTHON = process.env.PYTHON ?? "python3";

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

/** A browser with a profile of its own, which `close` removes; `flags` are Chromium's, `options` Playwright's. */
export async function launch(flags = [], options = {}) {
  if (!existsSync(CHROMIUM)) throw new Error(`${CHROMIUM} is missing; install Chromium, or name it in $CHROMIUM`);
  const profile = mkdtempSync(join(tmpdir(), "skintriage-web-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM, headless: true, args: [...FLAGS, ...flags], ...options,
  });
  return {
    context,
    close: async () => {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

/** Run Python in the repository; gives its standard output, and its process where it is to stay. */
export function python(words, { stay = false } = {}) {
  const child = spawn(PYTHON, words, { cwd: REPOSITORY, stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((done, failed) => {
    let output = "";
    child.on("error", failed);
    child.stdout.on("data", (data) => {
      output += data;
      if (stay && output.endsWith("}\n")) done({ output, child });
    });
    child.on("exit", (code) => (code === 0 ? done({ output, child }) : failed(new Error(`${words.join(" ")}: exit ${code}`))));
  });
}

/** `skintriage serve` on a free port. */
export async function serve(words = []) {
  const { output, child } = await python(["-m", "mobile_runtime", "serve", "--port", "0", "--json", ...words], { stay: true });
  return { url: JSON.parse(output).url, close: () => child.kill() };
}
