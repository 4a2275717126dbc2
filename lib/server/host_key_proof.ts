import type { Connection } from "../connection/connection.ts";
import { equals } from "@std/bytes";
import type { Signer } from "../keys/private_key.ts";
import { Reader } from "../wire/reader.ts";
import { HOSTKEYS, HOSTKEYS_PROVE } from "../wire/numbers.ts";
import { HostKeyProved } from "../wire/requests.ts";
import { Writer } from "../wire/writer.ts";

/**
 * Announces all of the server's keys to a client, so that it can follow changes, and proves them on
 * request (draft-miller-sshm-hostkey-update).
 *
 * @param agreed The signature algorithm of the key exchange, which RSA keys use if they can
 */
export function announceHostKeys(
  connection: Connection,
  hostKeys: readonly Signer[],
  { sessionId, agreed }: { readonly sessionId: Uint8Array; readonly agreed: string },
): void {
  const plain = hostKeys.filter(({ publicKey }) => publicKey.certificate === null);
  if (plain.length === 0) return;
  connection.handleGlobals(HOSTKEYS_PROVE, async (data) => {
    const asked = new Reader(data);
    const answer = new Writer();
    // Each key once, to limit the signatures that a client can request.
    const left = new Set(plain);
    while (asked.remaining > 0) {
      const blob = asked.string();
      const signer = [...left].find(({ publicKey }) => equals(publicKey.blob, blob));
      if (signer === undefined) return null;
      left.delete(signer);
      const { algorithms } = signer.publicKey;
      const algorithm = algorithms.find((name) => name === agreed) ?? algorithms[0]!;
      const proved = HostKeyProved.encode({ purpose: HOSTKEYS_PROVE, sessionId, hostKey: blob });
      answer.string(await signer.sign(algorithm, proved));
    }
    return answer.take();
  });
  const list = new Writer();
  for (const { publicKey } of plain) list.string(publicKey.blob);
  connection.notify(HOSTKEYS, list.take());
}
