import type { Runtime } from "./parts.ts";
import { type SocketsModule, workersNet } from "./workers_net.ts";

/** Whether the program runs on Cloudflare's platform: workerd sets this name as WinterTC asks for. */
export function isWorkers(): boolean {
  return globalThis.navigator?.userAgent === "Cloudflare-Workers";
}

/** Cloudflare Workers: connections over TCP, and none of the other parts. */
export function workersRuntime(): Partial<Runtime> {
  return { name: "Cloudflare Workers", net: workersNet(loadSockets) };
}

/** Loaded when it is first used. Its name is no literal: other platforms' bundlers would look for it. */
async function loadSockets(): Promise<SocketsModule> {
  const name = "cloudflare:sockets";
  return await import(name);
}
