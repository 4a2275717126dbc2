import type { Runtime } from "./parts.ts";
import { type SocketsModule, workersNet } from "./workers_net.ts";

/** Cloudflare Workers: only connections over TCP, without the other parts. */
export function workersRuntime(): Partial<Runtime> {
  return { name: "Cloudflare Workers", net: workersNet(loadSockets) };
}

/** Loaded on first use. The name is not a literal, so that bundlers for other platforms do not look for it. */
async function loadSockets(): Promise<SocketsModule> {
  const name = "cloudflare:sockets";
  return await import(name);
}
