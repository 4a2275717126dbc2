import type { Connection } from "../connection/connection.ts";
import { HostKeyError, KeyFormatError, ProtocolError } from "../errors.ts";
import { parsePublicKey, type PublicKey } from "../keys/public_key.ts";
import { decodeSignature } from "../keys/signature.ts";
import type { HostAddress, HostKeyPolicy } from "../known_hosts/host_key_policy.ts";
import type { Transport } from "../transport/transport.ts";
import { Reader } from "../wire/reader.ts";
import { HOSTKEYS, HOSTKEYS_PROVE } from "../wire/numbers.ts";
import { HostKeyProved } from "../wire/requests.ts";
import { Writer } from "../wire/writer.ts";

/** The most host keys that a server may announce, as in OpenSSH's client. */
const MAX_HOST_KEYS = 256;

/** The host whose keys are updated. */
export interface FollowedHost {
  readonly host: HostAddress;
  readonly policy: HostKeyPolicy;
  /** The algorithms of host keys; as in OpenSSH, a key without one of them counts as removed. */
  readonly algorithms: readonly string[];
}

/**
 * Reports the host keys that the server announces to the policy (draft-miller-sshm-hostkey-update). Errors
 * are ignored, and leave the known keys unchanged.
 */
export function followHostKeys(
  connection: Connection,
  transport: Transport,
  { host, policy, algorithms }: FollowedHost,
): void {
  const proof = transport.host;
  let busy = false;
  connection.handleGlobals(HOSTKEYS, (data) => {
    // Deferred, because sshd sends this first, and the answer to our first request follows it.
    transport.acknowledge();
    if (busy || policy.update === undefined) return null;
    busy = true;
    const usable = () =>
      decodeKeys(data).filter((key) => key.algorithms.some((name) => algorithms.includes(name)));
    const prove = (keys: readonly PublicKey[]) => proveKeys(connection, proof.sessionId, keys);
    Promise.try(() => policy.update!(host, proof.hostKey, usable(), prove))
      .catch(() => {})
      .finally(() => busy = false);
    return new Uint8Array(0);
  });
}

/** The usable keys of the list, without unknown types and certificates. */
function decodeKeys(data: Uint8Array): PublicKey[] {
  const reader = new Reader(data);
  const keys: PublicKey[] = [];
  for (let left = MAX_HOST_KEYS; reader.remaining > 0; left--) {
    if (left === 0) throw new ProtocolError("The server announces too many host keys");
    try {
      const key = parsePublicKey(reader.string());
      if (key.certificate === null && !keys.some((known) => known.equals(key))) keys.push(key);
    } catch (error) {
      if (!(error instanceof KeyFormatError)) throw error;
    }
  }
  return keys;
}

/** @throws {HostKeyError} Unless the server holds all of the keys */
async function proveKeys(
  connection: Connection,
  sessionId: Uint8Array,
  keys: readonly PublicKey[],
): Promise<void> {
  const question = new Writer();
  for (const { blob } of keys) question.string(blob);
  const answer = new Reader(await connection.request(HOSTKEYS_PROVE, question.take()));
  for (const key of keys) {
    const signature = answer.string();
    const signed = HostKeyProved.encode({ purpose: HOSTKEYS_PROVE, sessionId, hostKey: key.blob });
    const { algorithm } = decodeSignature(signature);
    // Not with SHA-1, which was not offered.
    if (key.algorithms.includes(algorithm) && key.verify(algorithm, signed, signature)) continue;
    const fingerprint = key.fingerprint();
    throw new HostKeyError(
      "signature",
      "",
      fingerprint,
      `The server does not hold the host key that it announces (${fingerprint})`,
    );
  }
  answer.end();
}
