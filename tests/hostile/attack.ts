import type { RawPeer } from "../support/raw_peer.ts";

/** The attacker's role. */
export type Attacker = "client" | "server";

/** An attack by a peer, and the answer of a correct implementation. */
export interface Attack {
  /** Completes a sentence such as "The server withstands …". */
  readonly name: string;
  /** The roles that can carry it out; both unless given. */
  readonly by?: Attacker;
  /** Carries it out. May wait for required answers. */
  run(peer: RawPeer, attacker: Attacker): Promise<void>;
  /** Whether the connection must end, or must stay open. */
  readonly ends: boolean;
  /** The allowed reasons of the DISCONNECT; without them it may have any reason or be missing. */
  readonly reasons?: readonly number[];
  /** The error that our client's caller must get. */
  readonly error?: RegExp;
}

/** Reasons of DISCONNECT (RFC 4253 §11.1). */
export const REASON = { PROTOCOL_ERROR: 2, KEY_EXCHANGE_FAILED: 3, VERSION: 8 } as const;

/** The attacks of a table that this end can play. */
export function attacksBy(attacker: Attacker, table: readonly Attack[]): readonly Attack[] {
  return table.filter((attack) => (attack.by ?? attacker) === attacker);
}

/** Carries out an attack and checks the answer, within a time limit. */
export async function carryOut(
  attack: Attack,
  peer: RawPeer,
  attacker: Attacker,
  ms: number = 5_000,
): Promise<void> {
  await attack.run(peer, attacker);
  if (!attack.ends) {
    if (peer.isOver) throw new Error(`It hung up: ${JSON.stringify(peer.disconnect)}`);
    return;
  }
  await peer.collect(ms);
  const reason = peer.disconnect?.reason;
  if (attack.reasons !== undefined && !attack.reasons.includes(reason ?? -1)) {
    throw new Error(`DISCONNECT has reason ${reason}, not ${attack.reasons.join(" or ")}`);
  }
}
