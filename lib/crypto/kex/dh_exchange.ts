import {
  DH_GEX_GRANTED_BITS,
  DH_GEX_MAX_BITS,
  DH_GEX_MIN_BITS,
  DH_GEX_PREFERRED_BITS,
} from "../../defaults.ts";
import { ProtocolError } from "../../errors.ts";
import {
  KexDhGexGroup,
  KexDhGexInit,
  KexDhGexReply,
  KexDhGexRequest,
} from "../../wire/messages.ts";
import { DISCONNECT } from "../../wire/numbers.ts";
import { Writer } from "../../wire/writer.ts";
import { dhAgreement } from "./dh_group.ts";
import { type DhGroup, dhGroup, dhGroupSizes } from "./dh_groups.ts";
import type { Agreement, KexMethod } from "./kex_method.ts";

/** The sizes that a client asks for, in bits. */
interface Wish {
  readonly min: number;
  readonly preferred: number;
  readonly max: number;
}

const OURS: Wish = {
  min: DH_GEX_MIN_BITS,
  preferred: DH_GEX_PREFERRED_BITS,
  max: DH_GEX_MAX_BITS,
};

/** Diffie-Hellman in a group that the server chooses and the client checks (RFC 4419, RFC 8270). */
export const dhGroupExchange: KexMethod = {
  async request(talk) {
    talk.send(KexDhGexRequest.encode(OURS));
    return inGroup(OURS, checked(KexDhGexGroup.decode(await talk.receive())));
  },
  async grant(talk) {
    const wish = KexDhGexRequest.decode(await talk.receive());
    const group = dhGroup(chosen(wish, talk.maxGroupBits));
    talk.send(KexDhGexGroup.encode(group));
    return inGroup(wish, group);
  },
};

/**
 * Checks the size and the form of the group that a server chose. The prime is not tested: the server signs
 * its choice, and a server that wants to reveal the secret does not need a bad prime for that.
 */
function checked({ prime, generator }: DhGroup): DhGroup {
  const bits = prime.length === 0 ? 0 : 8 * prime.length - Math.clz32(prime[0]!) + 24;
  if (bits < OURS.min || bits > OURS.max) {
    throw bad(`The server chose a group of ${bits} bits: ${OURS.min} to ${OURS.max} are accepted`);
  }
  const even = (prime.at(-1)! & 1) === 0;
  const small = generator.length === 0 || generator.length === 1 && generator[0] === 1;
  if (even || small || !isBelow(generator, lessOne(prime))) {
    throw bad("The server chose a group that is malformed");
  }
  return { prime, generator };
}

/** The smallest of our groups that is large enough, otherwise the largest allowed. */
function chosen({ min, preferred, max }: Wish, largest: number): number {
  const sizes = dhGroupSizes(Math.max(min, DH_GEX_GRANTED_BITS), Math.min(max, largest));
  const size = sizes.find((bits) => bits >= preferred) ?? sizes.at(-1);
  if (min > preferred || preferred > max || size === undefined) {
    throw bad(`The client asks for a group of ${min} to ${max} bits, which is not available`);
  }
  return size;
}

/** RFC 4419 §3: H covers min, n, max, p and g. */
function inGroup({ min, preferred, max }: Wish, group: DhGroup): Agreement {
  const settled = new Writer().u32(min).u32(preferred).u32(max);
  return {
    init: KexDhGexInit,
    reply: KexDhGexReply,
    settled: settled.mpint(group.prime).mpint(group.generator).take(),
    ...dhAgreement(() => group),
  };
}

function bad(message: string): ProtocolError {
  return new ProtocolError(message, { disconnectReason: DISCONNECT.KEY_EXCHANGE_FAILED });
}

function lessOne(odd: Uint8Array): Uint8Array {
  const even = odd.slice();
  even[even.length - 1]! &= 0xfe;
  return even;
}

/** Compares magnitudes without leading zeros. */
function isBelow(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return a.length < b.length;
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return at >= 0 && a[at]! < b[at]!;
}
