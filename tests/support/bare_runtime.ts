/** A program without `Deno` and `process`, to test what works on a runtime without sockets and files. */
import type { ConnectOptions } from "../../mod.ts";

delete (globalThis as { Deno?: unknown }).Deno;
delete (globalThis as { process?: unknown }).process;
const { connect, none } = await import("../../mod.ts");
const { generateKey } = await import("../../lib/keys/mod.ts");
const { serveStreams } = await import("../../lib/server/mod.ts");
const { memoryPair } = await import("../../lib/testing/mod.ts");

const hostKey = await generateKey();
const [near, far] = memoryPair();
await using _served = serveStreams(
  far,
  { hostKeys: [hostKey], auth: { none: () => true } },
  (session) => session.print(`ran ${session.command}`),
);
const trusted = { user: "me", auth: [none()], hostKeys: hostKey.publicKey };
await using host = await connect({ ...trusted, transport: near });

console.log(JSON.stringify({
  ran: await host.run("uptime"),
  noSockets: await failure({ ...trusted, hostname: "db1" }),
  noFiles: await failure({ user: "me", transport: memoryPair()[0], hostname: "db1" }),
}));

function failure(options: ConnectOptions): Promise<string> {
  return connect(options).then(() => "connected", (error) => `${error}`);
}
