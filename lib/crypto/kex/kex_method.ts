import { ProtocolError } from "../../errors.ts";
import type { MessageLayout } from "../../wire/message.ts";
import { KexEcdhInit, KexEcdhReply } from "../../wire/messages.ts";
import { Writer } from "../../wire/writer.ts";
import { core } from "../wasm.ts";
import { wiping } from "../wiping.ts";

/**
 * A key exchange method. The sides first settle the parameters that its name leaves open (only group
 * exchange has one, the group), then agree on a secret.
 */
export interface KexMethod {
  /** The client's part of settling the parameters. */
  request(talk: KexTalk): Promise<Agreement>;
  /** The server's part. */
  grant(talk: KexTalk): Promise<Agreement>;
}

/** Sends and receives the messages of the exchange. */
export interface KexTalk {
  /** Sends a message. */
  send(payload: Uint8Array): void;
  /** Receives the peer's next message. */
  receive(): Promise<Uint8Array>;
  /** The size of the largest group that a server grants, in bits. */
  readonly maxGroupBits: number;
}

/** A key agreement, independent of role, socket and host key. */
export interface Agreement {
  /** The client's message. */
  readonly init: MessageLayout<{ publicValue: Uint8Array }>;
  /** The server's answer. */
  readonly reply: MessageLayout<
    { hostKey: Uint8Array; publicValue: Uint8Array; signature: Uint8Array }
  >;
  /** The settled parameters, as hashed into H between the host key and the public values. */
  readonly settled: Uint8Array;
  /** Whether an answer takes milliseconds or more, so that their number must be limited before the login. */
  readonly isCostly?: boolean;
  /** Begins an exchange. */
  initiate(): KexInitiator;
  /**
   * Answers an exchange. `secret` is K in the form of {@linkcode KexInitiator.finish}.
   *
   * @throws {ProtocolError} If the peer's value is malformed, of small order or out of range
   */
  respond(peer: Uint8Array): { publicValue: Uint8Array; secret: Uint8Array };
}

/** The side that sends first; its private values stay in WebAssembly. */
export interface KexInitiator extends Disposable {
  /** The public value for the peer, as the contents of an SSH string or mpint. */
  readonly publicValue: Uint8Array;
  /**
   * Computes K, encoded for the hash: an mpint, or a string with its length.
   *
   * @throws {ProtocolError} If the peer's value is malformed, of small order or out of range
   */
  finish(peer: Uint8Array): Uint8Array;
}

/** A method without parameters to settle. */
export function fixedMethod(agreement: Agreement): KexMethod {
  return {
    request: () => Promise.resolve(agreement),
    grant: () => Promise.resolve(agreement),
  };
}

/** A method with the core's agreement `name`; `encode` encodes K for the hash. */
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

/** The settled parameters of most methods. */
export const NOTHING: Uint8Array = new Uint8Array();

/**
 * An initiator in WebAssembly, declared here because the npm package does not include the core's
 * declarations.
 */
interface CoreInitiator {
  public_value(): Uint8Array;
  finish(peer: Uint8Array): Uint8Array | undefined;
  free(): void;
}

/** Wraps an initiator in WebAssembly; disposing frees it. */
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

/** K as a string, for the hybrids with a KEM. */
export function asString(secret: Uint8Array): Uint8Array {
  return new Writer().string(secret).take();
}

/** The error for every bad value of the peer. */
export function refuse(): never {
  throw new ProtocolError("Bad public value in the key exchange");
}
