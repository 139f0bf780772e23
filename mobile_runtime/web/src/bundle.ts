/** The bundle over HTTP, checked before use, and kept for the next time without a network. */

import {
  BundleError, Engine, parseManifest, TriagePipeline, variantOf, verifyFile, type Manifest,
} from "../../../export/kit_sources/web/src/index.js";

const CACHE = "skintriage-bundle";
const MANIFEST = "bundle/manifest.json";
const RUNTIME = new URL("litert_wasm_compat_internal.js", document.baseURI).href;

export interface Loaded {
  manifest: Manifest;
  /** Name, version and the first 12 hex digits of the manifest's SHA-256. */
  id: string;
  pipeline: TriagePipeline;
}

async function kept(key: string): Promise<Uint8Array<ArrayBuffer> | null> {
  try {
    const response = await caches.match(key, { cacheName: CACHE });
    return response ? new Uint8Array(await response.arrayBuffer()) : null;
  } catch {
    return null;
  }
}

async function fetched(path: string): Promise<Uint8Array<ArrayBuffer>> {
  let response: Response;
  try {
    response = await fetch(path, { cache: "no-store" });
  } catch (error) {
    throw new BundleError("missing", `${path}: ${(error as Error).message}`);
  }
  if (!response.ok) throw new BundleError("missing", `${path}: status ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

async function keep(files: Record<string, Uint8Array<ArrayBuffer>>): Promise<void> {
  try {
    const cache = await caches.open(CACHE);
    for (const old of await cache.keys()) await cache.delete(old);
    for (const [key, data] of Object.entries(files)) await cache.put(key, new Response(data));
  } catch {
    // Private windows and full disks keep nothing: the page then needs the network next time.
  }
}

async function modelOf(manifest: Manifest, path: string, key: string): Promise<Uint8Array<ArrayBuffer>> {
  const own = await kept(key);
  if (own) {
    try {
      await verifyFile(manifest, path, own);
      return own;
    } catch {
      // What was kept is damaged: get it again.
    }
  }
  const data = await fetched(`bundle/${path}`);
  await verifyFile(manifest, path, data);
  return data;
}

/**
 * Load the bundle's default variant.
 *
 * @throws BundleError a file is missing, altered or refused; nothing of it is used or kept then.
 */
export async function loadBundle(): Promise<Loaded> {
  let text: Uint8Array<ArrayBuffer>;
  try {
    text = await fetched(MANIFEST);
  } catch (error) {
    const own = await kept(MANIFEST);
    if (!own) throw error;
    text = own;
  }
  const manifest = parseManifest(new TextDecoder().decode(text));
  const variant = variantOf(manifest);
  const entry = manifest.files.find(({ path }) => path === variant.path);
  const key = `bundle/${variant.path}?sha256=${entry?.sha256}`;
  const model = await modelOf(manifest, variant.path, key);
  const engine = await Engine.open(manifest, variant, model, RUNTIME);
  await keep({ [MANIFEST]: text, [key]: model });
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
  const hex = Array.from(digest.subarray(0, 6), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { manifest, id: `${manifest.name}-${manifest.version}+${hex}`, pipeline: new TriagePipeline(manifest, engine) };
}
