/** A server whose channel ends at a request, with the connection. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type SftpChannel, SftpClient, SftpError } from "../../lib/sftp/mod.ts";
import { MemoryServer } from "./memory_server.ts";
import { channelTo, type RawPeer } from "./raw.ts";
import { noise } from "./world.ts";

/** Before or after the server executes the request. */
export type When = "before" | "after";

/** A server whose channel ends at a request, and a client that opens a new one. */
export class Lossy implements AsyncDisposable {
  readonly server: MemoryServer = new MemoryServer();
  /** The number of channels opened. */
  channels = 0;
  /** Whether no other channel is opened. */
  isOver = false;
  /** A promise that the client awaits when it opens a new channel. */
  gate: Promise<void> = Promise.resolve();
  #lose: { type: number; when: When; times: number; meanwhile: () => void } | null = null;
  #client: SftpClient | null = null;

  async client(): Promise<SftpClient> {
    this.server.extensions.push("posix-rename@openssh.com", "copy-data");
    return this.#client = await SftpClient.open(this.#channel(), {
      reopen: async () => {
        await this.gate;
        return this.isOver ? null : this.#channel();
      },
    });
  }

  /** Ends the channel at the next request of a type, or at the given number of them. */
  lose(type: number, when: When = "before", meanwhile: () => void = () => {}, times = 1): void {
    this.#lose = { type, when, times, meanwhile };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client?.close();
  }

  #channel(): SftpChannel {
    this.channels++;
    const extensions = this.server.extensions.map((name): [string, string] => [name, "1"]);
    const mute = { send: () => Promise.resolve() } as RawPeer;
    return channelTo(async (request, peer) => {
      if (this.#lose?.type !== request.type) return await this.server.answer(request, peer);
      const { when, meanwhile } = this.#lose;
      if (--this.#lose.times === 0) this.#lose = null;
      if (when === "after") await this.server.answer(request, mute);
      meanwhile();
      await peer.channel.close();
    }, { extensions }).channel;
  }
}

export const WHEN: readonly When[] = ["before", "after"];
export const DATA = noise(100_000);

/** Rejects with an error about the loss, in a session that continues. */
export async function lost(
  sftp: SftpClient,
  run: () => Promise<unknown>,
  why: string,
): Promise<void> {
  const error = await assertRejects(run, SftpError, `the connection was lost, and ${why}`);
  assert(error.cause instanceof SftpError);
  assertEquals(await sftp.exists("/"), true);
}
