/** Helpers of the SFTP tests: channels, peers, folders. */
import { assertRejects } from "@std/assert";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { FXP } from "../../lib/sftp/protocol/numbers.ts";
import { noise } from "../support/random.ts";
import {
  localFiles,
  serveSftp,
  type ServeSftpOptions,
  type SftpBackend,
  type SftpChannel,
  SftpClient,
  SftpError,
} from "../../lib/sftp/mod.ts";

export { noise };

/** One direction of an in-memory channel; a writer waits while `limit` bytes are not yet read. */
class Pipe {
  readonly #chunks: Uint8Array[] = [];
  readonly #limit: number;
  #bytes = 0;
  #state: "open" | "ended" | "broken" = "open";
  #changed: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(limit: number) {
    this.#limit = limit;
  }

  async read(): Promise<Uint8Array | null> {
    for (;;) {
      if (this.#state === "broken") throw new Error("Pipe is broken");
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#bytes -= chunk.length;
        this.#change();
        return chunk;
      }
      if (this.#state === "ended") return null;
      await this.#changed.promise;
    }
  }

  async write(chunk: Uint8Array): Promise<void> {
    while (this.#state === "open" && this.#bytes >= this.#limit) await this.#changed.promise;
    if (this.#state !== "open") throw new Error("Pipe is closed");
    this.#chunks.push(chunk.slice());
    this.#bytes += chunk.length;
    this.#change();
  }

  end(state: "ended" | "broken" = "ended"): void {
    if (this.#state === "open") this.#state = state;
    this.#change();
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

export interface PairOptions {
  /** Bytes that a direction holds before writers wait. */
  readonly limit?: number;
  /** The maximum length of chunks. */
  readonly chunk?: number;
  /** Gives both ends a `read`, and takes the memory that is read into. */
  readonly memories?: Set<ArrayBufferLike>;
}

/** Two connected channels. */
export function channelPair(options: PairOptions = {}): [SftpChannel, SftpChannel] {
  const { limit = 256 * 1024, chunk = 32 * 1024 } = options;
  const [there, back] = [new Pipe(limit), new Pipe(limit)];
  const end = (input: Pipe, output: Pipe): SftpChannel => ({
    readChunk: () => input.read(),
    async writeAll(...chunks) {
      for (const bytes of chunks) {
        for (let at = 0; at < bytes.length; at += chunk) {
          await output.write(bytes.subarray(at, at + chunk));
        }
      }
    },
    closeWrite: () => Promise.resolve(output.end()),
    close() {
      output.end();
      input.end();
      return Promise.resolve();
    },
    ...options.memories && { read: copying(() => input.read(), options.memories) },
  });
  return [end(back, there), end(there, back)];
}

/** Reads by copying to the reader's memory, which is noted. */
function copying(
  readChunk: () => Promise<Uint8Array | null>,
  memories: Set<ArrayBufferLike>,
): (into: Uint8Array) => Promise<number | null> {
  let rest: Uint8Array | null = null;
  return async (into) => {
    memories.add(into.buffer);
    const chunk = rest ?? await readChunk();
    if (chunk === null) return null;
    into.set(chunk.subarray(0, into.length));
    rest = chunk.length > into.length ? chunk.subarray(into.length) : null;
    return Math.min(chunk.length, into.length);
  };
}

/** One turn of the event loop, in which timers and file operations proceed. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** A temporary folder. */
export async function folder(): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.realPath(await Deno.makeTempDir({ prefix: "sftp-test-" }));
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

export interface World extends AsyncDisposable {
  readonly sftp: SftpClient;
  /** The server's folder. */
  readonly root: string;
  /** A folder of the client. */
  readonly here: string;
  /** The server's name for a path in its folder. */
  at(path: string): string;
}

/** A channel whose server announces these extensions only: it must not be asked for others. */
export function announcing(channel: SftpChannel, extensions: readonly string[]): SftpChannel {
  let greeted = false;
  return {
    ...channel,
    async readChunk() {
      const chunk = await channel.readChunk();
      if (greeted || chunk === null) return chunk;
      greeted = true; // VERSION arrives alone, since the client waits for it
      return msg.encodeVersion(FXP.VERSION, 3, extensions.map((name) => [name, "1"]));
    },
  };
}

export interface WorldOptions extends PairOptions {
  /** The extensions that the server seems to announce. */
  readonly extensions?: readonly string[];
  readonly backend?: (root: string) => SftpBackend;
  readonly serve?: ServeSftpOptions;
  readonly timeout?: number;
}

/** Our client with our server. */
export async function ourWorld(options: WorldOptions = {}): Promise<World> {
  const { backend = (root) => localFiles({ root }), serve = {}, timeout, extensions } = options;
  const [near, far] = channelPair(options);
  const [root, here] = [await folder(), await folder()];
  const served = serveSftp(far, backend(root.path), serve);
  const channel = extensions === undefined ? near : announcing(near, extensions);
  const sftp = await SftpClient.open(channel, timeout === undefined ? {} : { timeout });
  return {
    sftp,
    root: root.path,
    here: here.path,
    at: (path) => `/${path}`,
    async [Symbol.asyncDispose]() {
      await sftp.close();
      await served;
      await root[Symbol.asyncDispose]();
      await here[Symbol.asyncDispose]();
    },
  };
}

/** A folder of small, large, empty and deeply nested files with different modes and times. */
export async function plantMixedFolder(path: string): Promise<void> {
  await Deno.mkdir(`${path}/empty`, { recursive: true });
  await Deno.mkdir(`${path}/deep/deeper/deepest`, { recursive: true });
  for (let i = 0; i < 120; i++) await Deno.writeFile(`${path}/small ${i}`, noise(i * 37, i + 1));
  await Deno.writeFile(`${path}/deep/large`, noise(6_000_000));
  await Deno.writeFile(`${path}/deep/deeper/ünïcode`, noise(1_044_480, 2));
  await Deno.writeFile(`${path}/deep/deeper/deepest/script`, noise(300_000, 3));
  await Deno.chmod(`${path}/deep/deeper/deepest/script`, 0o755);
  await Deno.chmod(`${path}/deep/large`, 0o400);
  for (
    const name of ["deep/deeper/deepest/script", "deep/large", "deep/deeper", "empty", "small 3"]
  ) {
    await Deno.utime(`${path}/${name}`, 1_000_000_000, 1_100_000_000);
  }
  await Deno.chmod(`${path}/empty`, 0o500);
}

/** Whether two arrays are the same, without a diff of a megabyte if they are not. */
export function same(actual: Uint8Array, expected: Uint8Array): boolean {
  if (actual.length !== expected.length) return false;
  for (let at = 0; at < actual.length; at++) if (actual[at] !== expected[at]) return false;
  return true;
}

/** Tests of our client for any server: each file adds some, and every kind of server runs them. */
export class ClientCases {
  readonly #cases: [name: string, run: (world: World) => Promise<void>][] = [];

  add(name: string, run: (world: World) => Promise<void>): void {
    this.#cases.push([name, run]);
  }

  /** The tests with a server, which is restarted for each. */
  *at(server: string, start: () => Promise<World>): Iterable<[string, () => Promise<void>]> {
    for (const [name, run] of this.#cases) {
      yield [`${name} (${server})`, async () => {
        await using world = await start();
        await run(world);
      }];
    }
  }
}

/** The status of an SftpError, for tests of refusals. */
export async function refusal(promise: Promise<unknown>): Promise<number> {
  return (await assertRejects(() => promise, SftpError)).status;
}
