import { equals } from "@std/bytes";
import { KexEcdhInit, KexEcdhReply } from "../../wire/messages.ts";
import { Reader } from "../../wire/reader.ts";
import { Writer } from "../../wire/writer.ts";
import { core } from "../wasm.ts";
import { wiping } from "../wiping.ts";
import { type DhGroup, dhGroup } from "./dh_groups.ts";
import {
  type Agreement,
  asMpint,
  fixedMethod,
  initiator,
  type KexMethod,
  NOTHING,
  refuse,
} from "./kex_method.ts";

/** Diffie-Hellman in the group of `bits` bits (RFC 4253 §8, RFC 8268); K is an mpint. */
export function dhFixedGroup(bits: number): KexMethod {
  return fixedMethod({
    init: KexEcdhInit,
    reply: KexEcdhReply,
    settled: NOTHING,
    ...dhAgreement(() => dhGroup(bits)),
  });
}

/**
 * Diffie-Hellman in a group. Public values are handled as the contents of mpints, which have the format of
 * strings.
 */
export function dhAgreement(
  group: () => DhGroup,
): Pick<Agreement, "initiate" | "respond" | "isCostly"> {
  return {
    isCostly: true,
    initiate() {
      const { prime, generator } = group();
      const started = core().Initiator.start_in_group(prime, generator) ?? refuse();
      const bare = initiator(started, asMpint);
      return {
        publicValue: contents(bare.publicValue),
        finish: (peer) => bare.finish(magnitude(peer)),
        [Symbol.dispose]: () => bare[Symbol.dispose](),
      };
    },
    respond(peer) {
      const { prime, generator } = group();
      const answer = core().respond_in_group(prime, generator, magnitude(peer)) ?? refuse();
      return wiping(answer, () => ({
        publicValue: contents(answer.subarray(0, prime.length)),
        secret: asMpint(answer.subarray(prime.length)),
      }));
    },
  };
}

/** A number as the contents of an mpint. */
function contents(number: Uint8Array): Uint8Array {
  return new Writer().mpint(number).take().subarray(4);
}

/**
 * The number in the contents of an mpint, without leading zeros, because the exchange hash covers the
 * canonical form.
 */
function magnitude(given: Uint8Array): Uint8Array {
  const number = new Reader(new Writer().string(given).take()).mpint();
  return equals(contents(number), given) ? number : refuse();
}
