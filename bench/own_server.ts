/**
 * Our server in a separate process: one port for each window, and a TCP port that sends endless zeros.
 * Prints one line of JSON. Its commands start no process, so that only the protocol is measured:
 * `source N` (endless without N), `sink`, `echo`, `true`, and `sent`, which prints how much `source`
 * has sent.
 *
 *     deno run -A bench/own_server.ts [window…]
 */
import { generateKey } from "../lib/keys/mod.ts";
import { serve, type Session } from "../lib/server/mod.ts";

/** The output. */
export interface OwnServerAddress {
  readonly hostKey: string;
  /** Ports by window in bytes, or `auto`. */
  readonly ports: Readonly<Record<string, number>>;
  /** The port without SSH. */
  readonly tcp: number;
}

const ZEROS = new Uint8Array(256 * 1024);
let sent = 0;

async function run(session: Session): Promise<void> {
  const [verb, count] = (session.command ?? "").split(" ");
  const { channel } = session;
  if (verb === "source") await source(session, Number(count ?? Infinity));
  else if (verb === "sink") { while (await channel.readChunk() !== null); }
  else if (verb === "sent") await session.print(`${sent}`);
  else if (verb === "echo") {
    for (let chunk; (chunk = await channel.readChunk()) !== null;) await channel.writeAll(chunk);
  }
}

async function source({ channel, signal }: Session, bytes: number): Promise<void> {
  while (bytes > 0 && !signal.aborted) {
    const n = await channel.write(ZEROS.subarray(0, Math.min(bytes, ZEROS.length)));
    bytes -= n;
    sent += n;
  }
}

async function sendZeros(listener: Deno.TcpListener): Promise<void> {
  for await (const conn of listener) {
    (async () => {
      for (;;) await conn.write(ZEROS);
    })().catch(() => conn.close()); // the reader has closed the connection
  }
}

if (import.meta.main) {
  const hostKey = await generateKey("ed25519");
  const ports = Deno.args.map((window): [string, number] => {
    const { addr } = serve({
      port: 0,
      hostname: "127.0.0.1",
      hostKeys: [hostKey],
      auth: { none: () => true },
      maxSessions: 1100,
      maxStartups: { begin: 1000, rate: 100, full: 1000 },
      ...(window !== "auto" && { window: Number(window) }),
    }, run);
    return [window, addr.port];
  });
  const tcp = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address: OwnServerAddress = {
    hostKey: hostKey.publicKey.toString(),
    ports: Object.fromEntries(ports),
    tcp: (tcp.addr as Deno.NetAddr).port,
  };
  console.log(JSON.stringify(address));
  await sendZeros(tcp);
}
