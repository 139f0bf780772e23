/** Service worker: keeps the page's own files, so that it opens without a network. The page itself keeps the bundle. */

declare const VERSION: string;
declare const FILES: string[];
const worker = self as unknown as ServiceWorkerGlobalScope;
const CACHE = `skintriage-app-${VERSION}`;
const PAGE = new URL("./", worker.location.href).href;
const OWN = new Set(FILES.map((file) => new URL(file, PAGE).href));

async function install(): Promise<void> {
  const cache = await caches.open(CACHE);
  await cache.addAll(FILES.map((file) => new Request(file, { cache: "reload" })));
  await worker.skipWaiting();
}

async function activate(): Promise<void> {
  for (const name of await caches.keys()) {
    if (name.startsWith("skintriage-app-") && name !== CACHE) await caches.delete(name);
  }
  await worker.clients.claim();
}

worker.addEventListener("install", (event) => event.waitUntil(install()));
worker.addEventListener("activate", (event) => event.waitUntil(activate()));
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  const address = origin + pathname;
  // The page under either of its names, whatever follows; other addresses, such as the model card's, are other documents.
  const key = request.mode === "navigate" && [PAGE, `${PAGE}index.html`].includes(address) ? PAGE : request.url;
  if (request.method !== "GET" || !OWN.has(key)) return;
  event.respondWith(caches.match(key, { cacheName: CACHE }).then((found) => found ?? fetch(request)));
});
