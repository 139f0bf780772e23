/**
 * The page on pictures, then before a camera: `npm run measure -- BUNDLE PICTURES SHOTS`; JSON on standard output.
 *
 * PICTURES holds picture files and camera.y4m, which plays as the camera; one shot more than SHOTS is taken, the first not counted.
 */

import { readdirSync } from "node:fs";
import { join } from "node:path";

import { launch, serve } from "./browser.mjs";

const [bundle, pictures, shots] = process.argv.slice(2);
const CAMERA = "camera.y4m";

const server = await serve(["--bundle", bundle]);
const { context, close } = await launch(
  ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", `--use-file-for-fake-video-capture=${join(pictures, CAMERA)}`],
  { permissions: ["camera"] },
);
try {
  let answered;
  await context.exposeFunction("tell", (answer) => answered(answer));
  await context.addInitScript(() => {
    document.addEventListener("verdict", ({ detail: { assessment, milliseconds } }) => globalThis.tell({ ...assessment, milliseconds }));
  });
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  page.on("pageerror", (error) => console.error(error));
  const answerTo = async (button) => {
    const answer = new Promise((done) => (answered = done));
    await page.click(button);
    return answer;
  };
  const { product: browser } = await (await context.newCDPSession(page)).send("Browser.getVersion");
  await page.goto(server.url);
  await page.locator("#camera:enabled").waitFor({ timeout: 180_000 });
  const verdicts = {};
  for (const name of readdirSync(pictures).filter((file) => file !== CAMERA)) {
    await page.setInputFiles("#file", join(pictures, name));
    verdicts[name] = await answerTo("#assess");
    await page.click("#again");
  }
  const shutterMs = [];
  for (let shot = 0; shot <= Number(shots); shot++) {
    // After a verdict the page may go back to the camera by itself.
    if (!(await page.locator("#shutter").isVisible())) await page.click("#camera", { timeout: 10_000 }).catch(() => {});
    // The guide speaks once frames have come.
    await page.locator("#guide", { hasText: /\w/ }).waitFor();
    const { decision, milliseconds } = await answerTo("#shutter");
    if (decision === "retake") throw new Error("the camera's picture is to be retaken, so that no inference was timed");
    if (shot) shutterMs.push(milliseconds);
    await page.click("#again");
    await page.waitForTimeout(500);
  }
  console.log(JSON.stringify({ browser, verdicts, shutterMs }));
} finally {
  await close();
  server.close();
}
