/**
 * Throughput of `exec` down and up against the same `sshd`, ours beside OpenSSH's and npm's ssh2. Runs
 * alternate, so that what the machine does meanwhile hits all alike; shares are taken within a round.
 *
 * ```sh
 * deno run -A bench/throughput.ts [--bytes=1073741824] [--rounds=3] [--ciphers=a,b] [--clients=ours,OpenSSH]
 * ```
 */
import { startSshd } from "../tests/interop/sshd.ts";
import { type BenchClient, findClients } from "./peers/clients.ts";
import {
  type Direction,
  measure,
  type Measurement,
  remoteCommand,
  verify,
} from "./peers/measure.ts";
import { formatTable } from "./peers/table.ts";

const CHECKED_BYTES = 3_000_001;
const CIPHERS = "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com";
const DIRECTIONS: readonly Direction[] = ["down", "up"];

if (import.meta.main) {
  const options = parseFlags(Deno.args);
  const found = await findClients();
  const clients = found.clients.filter(({ name }) =>
    options.clients.length === 0 || options.clients.some((part) => name.includes(part))
  );
  for (const why of found.missing) console.log(`Missing: ${why}`);
  await using server = await startSshd({ hostKeys: ["ed25519"] });
  for (const cipher of options.ciphers) {
    const able: BenchClient[] = [];
    for (const client of clients) {
      try {
        await verify((command) => client.commandLine(server, cipher, command), CHECKED_BYTES);
        able.push(client);
      } catch (error) {
        console.log(`Missing: ${client.name} with ${cipher}: ${(error as Error).message}`);
      }
    }
    for (const direction of DIRECTIONS) {
      const command = remoteCommand(direction, options.bytes);
      const rows = new Map<string, Measurement[]>(able.map(({ name }) => [name, []]));
      for (let round = 0; round < options.rounds; round++) {
        for (const client of able) {
          const line = client.commandLine(server, cipher, command);
          rows.get(client.name)!.push(await measure(line, direction, options.bytes));
        }
      }
      console.log(formatTable(`exec ${direction}, ${cipher}`, rows));
    }
  }
}

interface Options {
  bytes: number;
  rounds: number;
  ciphers: string[];
  clients: string[];
}

function parseFlags(args: readonly string[]): Options {
  const flags = new Map(args.map((arg) => {
    const match = /^--(bytes|rounds|ciphers|clients)=(.+)$/.exec(arg);
    if (match === null) throw new TypeError(`Unknown argument "${arg}"`);
    return [match[1]!, match[2]!];
  }));
  return {
    bytes: count(flags.get("bytes") ?? `${1024 ** 3}`),
    rounds: count(flags.get("rounds") ?? "3"),
    ciphers: (flags.get("ciphers") ?? CIPHERS).split(","),
    clients: flags.get("clients")?.split(",") ?? [],
  };
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new RangeError(`Not a positive number: ${text}`);
  return value;
}
