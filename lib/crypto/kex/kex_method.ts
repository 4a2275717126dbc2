import { ProtocolError } from "../../errors.ts";
import type { MessageLayout } from "../../wire/message.ts";
import { KexEcdhInit, KexEcdhReply } from "../../wire/messages.ts";
import { Writer } from "../../wire/writer.ts";
import { core } from "../wasm.ts";
import { wiping } from "../wiping.ts";

/**
 * A method of the kex list. Each side first settles what the name leaves open, which is the group in
 * group exchange and nothing in all others; then they agree.
 */
export interface KexMethod {
  /** The client's part of the settling. */
  request(talk: KexTalk): Promise<Agreement>;
  /** The server's part. */
  grant(talk: KexTalk): Promise<Agreement>;
}

/** The messages between the two sides, in turn. */
export interface KexTalk {
  /** Sends a message. */
  send(payload: Uint8Array): void;
  /** The peer's next one. */
  receive(): Promise<Uint8Array>;
  /** The size of the largest group that a server grants, in bits. */
  readonly maxGroupBits: number;
}

/** A key agreement that knows neither role, socket nor host key. */
export interface Agreement {
  /** The client's message. */
  readonly init: MessageLayout<{ publicValue: Uint8Array }>;
  /** The server's answer to it. */
  readonly reply: MessageLayout<
    { hostKey: Uint8Array; publicValue: Uint8Array; signature: Uint8Array }
  >;
  /** What was settled, as H covers it between the host key and the public values. */
  readonly settled: Uint8Array;
  /** Whether an answer takes so long that strangers may not have it without end: milliseconds and more. */
  readonly isCostly?: boolean;
  /** Begins an exchange. */
  initiate(): KexInitiator;
  /**
   * Answers one. `secret` is K as {@linkcode KexInitiator.finish} gives it.
   *
   * @throws {ProtocolError} If the peer's value is malformed, of small order or out of range
   */
  respond(peer: Uint8Array): { publicValue: Uint8Array; secret: Uint8Array };
}

/** The side that speaks first; its private values stay in WebAssembly. */
export interface KexInitiator extends Disposable {
  /** What goes to the peer, as the contents of an SSH string or mpint. */
  readonly publicValue: Uint8Array;
  /**
   * K, encoded as it is hashed: an mpint, or a string with its length.
   *
   * @throws {ProtocolError} If the peer's value is malformed, of small order or out of range
   */
  finish(peer: Uint8Array): Uint8Array;
}

/** A method whose name settles everything. */
export function fixedMethod(agreement: Agreement): KexMethod {
  return {
    request: () => Promise.resolve(agreement),
    grant: () => Promise.resolve(agreement),
  };
}

/** A method over the core's agreement `name`; `encode` writes K as the method hashes it. */
export function coreMethod(
  name: string,
  encode: (secret: Uint8Array) => Uint8Array,
  answerBytes: number,
): KexMethod {
  return fixedMethod({
    init: KexEcdhInit,
    reply: KexEcdhReply,
    settled: NOTHING,
    initiate: () => initiator(core().Initiator.start(name) ?? refuse(), encode),
    respond(peer) {
      const answer = core().respond(name, peer) ?? refuse();
      return wiping(answer, () => ({
        publicValue: answer.slice(0, answerBytes),
        secret: encode(answer.subarray(answerBytes)),
      }));
    },
  });
}

/** Most methods leave nothing to be settled. */
export const NOTHING: Uint8Array = new Uint8Array();

/** An initiator in WebAssembly. The package's declarations do without the core's, so it is described here. */
interface CoreInitiator {
  public_value(): Uint8Array;
  finish(peer: Uint8Array): Uint8Array | undefined;
  free(): void;
}

/** An initiator in WebAssembly; it is gone when it is disposed. */
export function initiator(
  started: CoreInitiator,
  encode: (secret: Uint8Array) => Uint8Array,
): KexInitiator {
  let held: CoreInitiator | null = started;
  return {
    publicValue: started.public_value(),
    finish: (peer) => wiping(held?.finish(peer) ?? refuse(), encode),
    [Symbol.dispose]() {
      held?.free();
      held = null;
    },
  };
}

/** K as an mpint (RFC 4253 §8, RFC 5656 §4, RFC 8731 §3.1). */
export function asMpint(secret: Uint8Array): Uint8Array {
  return new Writer().mpint(secret).take();
}

/** K as a string, as the hybrids with a KEM have it. */
export function asString(secret: Uint8Array): Uint8Array {
  return new Writer().string(secret).take();
}

/** The one error for a bad value of the peer's. */
export function refuse(): never {
  throw new ProtocolError("Bad public value in the key exchange");
}
