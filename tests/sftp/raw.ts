/** A peer that sends anything, for hostile tests of both roles. */
import { ByteSource } from "../../lib/sftp/protocol/byte_source.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { FXP } from "../../lib/sftp/protocol/numbers.ts";
import {
  serveSftp,
  type ServeSftpOptions,
  type SftpBackend,
  type SftpChannel,
  SftpClient,
} from "../../lib/sftp/mod.ts";
import { Reader } from "../../lib/wire/reader.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { channelPair, type PairOptions } from "./world.ts";

export interface RawMessage {
  readonly type: number;
  /** The id, or the version. */
  readonly id: number;
  readonly body: Uint8Array;
}

/** Reads messages without any checks. */
export class RawPeer {
  readonly channel: SftpChannel;
  readonly #source: ByteSource;

  constructor(channel: SftpChannel) {
    this.channel = channel;
    this.#source = new ByteSource(channel);
  }

  async next(): Promise<RawMessage | null> {
    if (!await this.#source.more()) return null;
    const header = new Reader(await this.#source.take(9));
    const [length, type, id] = [header.u32(), header.u8(), header.u32()];
    return { type, id, body: (await this.#source.take(length - 5)).slice() };
  }

  async send(...frames: Uint8Array[]): Promise<void> {
    await this.channel.writeAll(...frames).catch(() => {}); // the other side may have hung up
  }
}

/** A frame with any content; `length` replaces its length field. */
export function frame(
  type: number,
  id: number,
  body: Uint8Array = new Uint8Array(0),
  length: number = 5 + body.length,
): Uint8Array<ArrayBuffer> {
  return new Writer().u32(length).u8(type).u32(id).bytes(body).take();
}

export function status(id: number, code: number, message = ""): Uint8Array {
  return msg.Status.encode(id, { status: code, message, language: "" });
}

export const handle = new Uint8Array([7]);

/** A peer's answers to a client. */
export interface PeerOptions extends PairOptions {
  readonly extensions?: [string, string][];
  readonly greeting?: Uint8Array;
}

/** A channel to a server that answers with `answer`. */
export function channelTo(
  answer: (request: RawMessage, peer: RawPeer) => void | Promise<void>,
  options: PeerOptions = {},
): { channel: SftpChannel; peer: RawPeer } {
  const [channel, far] = channelPair(options);
  return { channel, peer: answerOn(far, answer, options) };
}

/** Answers messages on a channel with `answer`. */
export function answerOn(
  channel: SftpChannel,
  answer: (request: RawMessage, peer: RawPeer) => void | Promise<void>,
  options: Pick<PeerOptions, "greeting" | "extensions"> = {},
): RawPeer {
  const peer = new RawPeer(channel);
  const serve = async () => {
    const init = await peer.next();
    if (init?.type !== FXP.INIT) throw new Error("The client does not begin with INIT");
    await peer.send(
      options.greeting ?? msg.encodeVersion(FXP.VERSION, 3, options.extensions ?? []),
    );
    for (let request; (request = await peer.next()) !== null;) await answer(request, peer);
    await channel.close();
  };
  serve().catch(() => channel.close());
  return peer;
}

/** Our client with a server that answers with `answer`. */
export async function atServer(
  answer: (request: RawMessage, peer: RawPeer) => void | Promise<void>,
  options: PeerOptions & { timeout?: number; signal?: AbortSignal } = {},
): Promise<SftpClient & { server: RawPeer }> {
  const { channel, peer } = channelTo(answer, options);
  const { timeout, signal } = options;
  const client = await SftpClient.open(channel, {
    signal,
    ...(timeout === undefined ? {} : { timeout }),
  });
  return Object.assign(client, { server: peer });
}

/** A raw client after VERSION from our server, and the promise of the server's end. */
export async function atOurServer(
  backend: SftpBackend,
  options: PairOptions & { greet?: boolean } = {},
  serve: ServeSftpOptions = {},
): Promise<{ peer: RawPeer; served: Promise<Error | null> }> {
  const [near, far] = channelPair(options);
  const served = serveSftp(far, backend, serve).then(() => null, (cause) => cause as Error);
  const peer = new RawPeer(near);
  if (options.greet ?? true) {
    await peer.send(msg.encodeVersion(FXP.INIT, 3));
    await peer.next();
  }
  return { peer, served };
}
