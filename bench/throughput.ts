/**
 * Throughput of `exec` down and up against the same `sshd`: our client, OpenSSH's and npm's ssh2. Runs
 * alternate, so that load affects all alike; ratios are taken within a round.
 *
 * ```sh
 * deno run -A bench/throughput.ts [--bytes=1073741824] [--rounds=3] [--ciphers=a,b]
 * [--clients=ours,OpenSSH]
 * ```
 */
import { startSshd } from "../tests/interop/harness/sshd.ts";
import { type BenchClient, findClients } from "./peers/clients.ts";
import {
  type Direction,
  measure,
  type Measurement,
  remoteCommand,
  verify,
} from "./peers/measure.ts";
import { alignTable, CLIENT_HEADER, clientRows } from "./peers/table.ts";

const CHECKED_BYTES = 3_000_001;

/** The default of OpenSSH and ours, and the fastest one with AES in hardware. */
export const CIPHERS: readonly string[] = [
  "chacha20-poly1305@openssh.com",
  "aes128-gcm@openssh.com",
];

/** The comparison to run. */
export interface ThroughputOptions {
  readonly bytes: number;
  readonly rounds: number;
  readonly ciphers: readonly string[];
  /** The directions to measure with a cipher; both unless given. */
  readonly directions?: (cipher: string) => readonly Direction[];
  /** Parts of the names of the clients; all unless given. */
  readonly clients: readonly string[];
}

/** The runs of every client in one direction with one cipher. */
export interface Comparison {
  readonly cipher: string;
  readonly direction: Direction;
  readonly rows: ReadonlyMap<string, readonly Measurement[]>;
  /** The same minus each client's time for a thousandth of the bytes: its start, login and exit. */
  readonly steady: ReadonlyMap<string, readonly Measurement[]>;
}

/** Measures the installed clients alternately; `missing` gets the others. */
export async function* compareClients(
  options: ThroughputOptions,
  missing: (text: string) => void,
): AsyncGenerator<Comparison> {
  const found = await findClients();
  found.missing.forEach(missing);
  const clients = found.clients.filter(({ name }) =>
    options.clients.length === 0 || options.clients.some((part) => name.includes(part))
  );
  await using server = await startSshd({ hostKeys: ["ed25519"] });
  for (const cipher of options.ciphers) {
    const able: BenchClient[] = [];
    for (const client of clients) {
      try {
        await verify((command) => client.commandLine(server, cipher, command), CHECKED_BYTES);
        able.push(client);
      } catch (error) {
        missing(`${client.name} with ${cipher}: ${(error as Error).message}`);
      }
    }
    for (const direction of options.directions?.(cipher) ?? ["down", "up"] as const) {
      const some = Math.ceil(options.bytes / 1000);
      const rows = new Map<string, Measurement[]>(able.map(({ name }) => [name, []]));
      const steady = new Map<string, Measurement[]>(able.map(({ name }) => [name, []]));
      for (let round = 0; round < options.rounds; round++) {
        for (const client of able) {
          const runs = rows.get(client.name);
          if (runs === undefined) continue;
          const run = (bytes: number) =>
            measure(
              client.commandLine(server, cipher, remoteCommand(direction, bytes)),
              direction,
              bytes,
            );
          try {
            const [start, all] = [await run(some), await run(options.bytes)];
            runs.push(all);
            steady.get(client.name)!.push({
              bytes: all.bytes - start.bytes,
              seconds: all.seconds - start.seconds,
              cpuSeconds: all.cpuSeconds - start.cpuSeconds,
            });
          } catch (error) {
            // A failure is reported, and the others are still measured.
            rows.delete(client.name);
            steady.delete(client.name);
            const [reason] = (error as Error).message.split("\n");
            missing(`${client.name}, ${direction} with ${cipher}: ${reason}`);
          }
        }
      }
      yield { cipher, direction, rows, steady };
    }
  }
}

if (import.meta.main) {
  const options = parseFlags(Deno.args);
  const missing = (text: string) => console.log(`Missing: ${text}`);
  for await (const { cipher, direction, rows, steady } of compareClients(options, missing)) {
    const title = `exec ${direction}, ${cipher}`;
    console.log(alignTable(`${title}, start-up included`, CLIENT_HEADER, clientRows(rows)));
    console.log(alignTable(`${title}, without start-up`, CLIENT_HEADER, clientRows(steady)));
  }
}

function parseFlags(args: readonly string[]): ThroughputOptions {
  const flags = new Map(args.map((arg) => {
    const match = /^--(bytes|rounds|ciphers|clients)=(.+)$/.exec(arg);
    if (match === null) throw new TypeError(`Unknown argument "${arg}"`);
    return [match[1]!, match[2]!];
  }));
  return {
    bytes: count(flags.get("bytes") ?? `${1024 ** 3}`),
    rounds: count(flags.get("rounds") ?? "3"),
    ciphers: flags.get("ciphers")?.split(",") ?? CIPHERS,
    clients: flags.get("clients")?.split(",") ?? [],
  };
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new RangeError(`Not a positive number: ${text}`);
  return value;
}
