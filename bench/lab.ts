/** Servers and delayed paths in separate processes, and clocks, for the sections to measure with. */
import { type Client, connect, type ConnectOptions, loadKey, none, publicKey } from "../mod.ts";
import { Program } from "../tests/support/program.ts";
import type { Sshd } from "../tests/interop/harness/sshd.ts";
import type { OwnServerAddress } from "./own_server.ts";

const OWN_SERVER = new URL("own_server.ts", import.meta.url).pathname;
const DELAY_PROXY = new URL("delay_proxy.ts", import.meta.url).pathname;

/** A server that a client can log in to. */
export interface Target {
  readonly port: number;
  readonly user: string;
  readonly hostKey: string;
  /** The path of the user's key; without it no credential is needed. */
  readonly identity?: string;
}

/** A running server of ours. */
export interface OwnServer extends OwnServerAddress, AsyncDisposable {
  readonly pid: number;
  /** Its port with a window, `auto` unless given. */
  target(window?: string): Target;
}

/** A program of this repository, run by the same Deno without type-checking. */
export function denoProgram(script: string, args: readonly string[]): Program {
  return new Program(Deno.execPath(), { args: ["run", "-A", "--no-check", script, ...args] });
}

/** Starts a server of ours with a port for each window. */
export async function startOwnServer(windows: readonly string[] = ["auto"]): Promise<OwnServer> {
  const program = denoProgram(OWN_SERVER, windows);
  const [line] = await program.waitFor(/^\{.*\}$/m);
  const address = JSON.parse(line) as OwnServerAddress;
  return {
    ...address,
    pid: program.pid,
    target: (window = "auto") => ({
      port: address.ports[window]!,
      user: "bench",
      hostKey: address.hostKey,
    }),
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

/** An `sshd` as a target for our client. */
export function sshdTarget({ port, user, identity, hostKeys }: Sshd): Target {
  return { port, user, identity, hostKey: hostKeys.ed25519!.publicKey };
}

/** A program of this repository that prints the port it listens on. */
export async function startPort(
  script: string,
  args: readonly string[] = [],
): Promise<AsyncDisposable & { readonly port: number }> {
  const program = denoProgram(script, args);
  const [line] = await program.waitFor(/^\d+$/m);
  return { port: Number(line), [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}

/**
 * Opens a port that relays to another one with a round trip in milliseconds and a rate in bytes a
 * second, which all connections share unless `each` is set.
 */
export function startPath(
  port: number,
  roundTrip: number,
  rate?: number,
  of: "all" | "each" = "all",
): Promise<AsyncDisposable & { readonly port: number }> {
  return startPort(DELAY_PROXY, [port, roundTrip / 2, rate ?? "", of].map(String));
}

/** Logs our client in. */
export async function login(target: Target, options: ConnectOptions = {}): Promise<Client> {
  const { port, user, identity, hostKey } = target;
  const auth = identity === undefined ? none() : publicKey(await loadKey(identity));
  return await connect({
    hostname: "127.0.0.1",
    port,
    user,
    auth: [auth],
    hostKeys: hostKey,
    ...options,
  });
}

/** Measures the time in milliseconds. */
export async function timed(what: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await what();
  return performance.now() - began;
}

/** Measures several functions alternately, so that load affects all alike; milliseconds by name. */
export async function inTurns(
  rounds: number,
  ways: Readonly<Record<string, () => Promise<unknown>>>,
): Promise<Record<string, number[]>> {
  const times: Record<string, number[]> = Object.fromEntries(
    Object.keys(ways).map((name) => [name, []]),
  );
  for (let round = 0; round < rounds; round++) {
    for (const [name, way] of Object.entries(ways)) times[name]!.push(await timed(way));
  }
  return times;
}

/** Formats bytes for a table. */
export function sizeText(bytes: number): string {
  const [unit, name] = bytes >= 1024 ** 2 ? [1024 ** 2, "MiB"] : [1024, "KiB"];
  return `${bytes / unit} ${name}`;
}
