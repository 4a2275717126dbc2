import type { RawPeer } from "../support/raw_peer.ts";

/** Which end the attacker plays. */
export type Attacker = "client" | "server";

/** One thing that a hostile peer does, and the answer that a correct implementation gives. */
export interface Attack {
  /** Completes a sentence such as "The server withstands …". */
  readonly name: string;
  /** Which ends can play it; both unless told. */
  readonly by?: Attacker;
  /** Does it. May itself wait for answers that must come. */
  run(peer: RawPeer, attacker: Attacker): Promise<void>;
  /** Whether the connection must end then, or must still be there. */
  readonly ends: boolean;
  /** The reasons of which one must be in the DISCONNECT that comes first; any or none if not given. */
  readonly reasons?: readonly number[];
  /** What the caller of our client must be told. */
  readonly error?: RegExp;
}

/** Reasons of DISCONNECT (RFC 4253 §11.1). */
export const REASON = { PROTOCOL_ERROR: 2, KEY_EXCHANGE_FAILED: 3, VERSION: 8 } as const;

/** The attacks of a table that this end can play. */
export function attacksBy(attacker: Attacker, table: readonly Attack[]): readonly Attack[] {
  return table.filter((attack) => (attack.by ?? attacker) === attacker);
}

/** Carries an attack out to its end and checks the answer, all within a time limit. */
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
