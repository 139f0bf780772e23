/** A relay between browser and server that writes down every request, whoever in the browser made it, and can damage answers. */

import { createServer } from "node:http";

/** `damage` maps a path to what becomes of its bytes. Close it to be off line. */
export async function observe(target, damage = {}) {
  const requests = [];
  const server = createServer(async (request, response) => {
    let bytes = 0;
    for await (const part of request) bytes += part.length;
    requests.push({ method: request.method, url: request.url, bytes });
    const answer = await fetch(new URL(request.url, target), { method: request.method });
    const headers = Object.fromEntries([...answer.headers].filter(([name]) => !["date", "server"].includes(name)));
    const body = Buffer.from(await answer.arrayBuffer());
    response.writeHead(answer.status, headers).end(damage[request.url]?.(body) ?? body);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://localhost:${server.address().port}/`,
    requests,
    damage,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
