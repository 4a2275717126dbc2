import type { Runtime } from "./parts.ts";
import { type SocketsModule, workersNet } from "./workers_net.ts";

/** Cloudflare Workers: connections over TCP, and none of the other parts. */
export function workersRuntime(): Partial<Runtime> {
  return { name: "Cloudflare Workers", net: workersNet(loadSockets) };
}

/** Loaded when it is first used. Its name is no literal: other platforms' bundlers would look for it. */
async function loadSockets(): Promise<SocketsModule> {
  const name = "cloudflare:sockets";
  return await import(name);
}
