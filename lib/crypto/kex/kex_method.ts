import { ProtocolError } from "../../errors.ts";
import { core } from "../wasm.ts";

/** The side that speaks first; its private values stay in WebAssembly. */
export interface KexInitiator extends Disposable {
  /** What goes to the peer, as the contents of an SSH string. */
  readonly publicValue: Uint8Array;
  /**
   * K, encoded as it is hashed: an mpint, or a string with its length.
   *
   * @throws {ProtocolError} If the peer's value is malformed or of small order
   */
  finish(peer: Uint8Array): Uint8Array;
}

/** A key agreement that knows neither role, socket nor host key. */
export interface KexMethod {
  /** Begins an exchange. */
  initiate(): KexInitiator;
  /**
   * Answers one. `secret` is K as {@linkcode KexInitiator.finish} gives it.
   *
   * @throws {ProtocolError} If the peer's value is malformed or of small order
   */
  respond(peer: Uint8Array): { publicValue: Uint8Array; secret: Uint8Array };
}

/** Builds a method on the core's agreement `name`; `encode` writes K as the method hashes it. */
export function kexMethod(
  name: string,
  encode: (secret: Uint8Array) => Uint8Array,
  answerBytes: number,
): KexMethod {
  return {
    initiate(): KexInitiator {
      let initiator: core.Initiator | null = core.Initiator.start(name) ?? unknown(name);
      return {
        publicValue: initiator.public_value(),
        finish: (peer) => encode(initiator?.finish(peer) ?? refuse()),
        [Symbol.dispose]() {
          initiator?.free();
          initiator = null;
        },
      };
    },
    respond(peer) {
      const answer = core.respond(name, peer) ?? refuse();
      const publicValue = answer.slice(0, answerBytes);
      return { publicValue, secret: encode(answer.subarray(answerBytes)) };
    },
  };
}

function refuse(): never {
  throw new ProtocolError("Bad public value in the key exchange");
}

function unknown(name: string): never {
  throw new TypeError(`Unknown key agreement "${name}"`);
}
