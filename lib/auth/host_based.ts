import { AuthError } from "../errors.ts";
import { plainAlgorithm } from "../keys/certificate_names.ts";
import type { Signer } from "../keys/private_key.ts";
import { MSG } from "../wire/numbers.ts";
import { HostBasedAuth, HostBasedSigned } from "../wire/requests.ts";
import { type AuthMethod, SERVICE } from "./auth_method.ts";

const METHOD = "hostbased";

/** For whom a host vouches. */
export interface HostBasedOptions {
  /** This host's name, as the server knows it. */
  readonly hostName: string;
  /** The user on this host. */
  readonly userName: string;
}

/**
 * This host's word that its user is who it says (RFC 4252 §9). Who can use the host's key can speak for
 * all of its users, so ordinary programs cannot.
 *
 * @param hostKey The key that the server knows this host by
 * @param options Who vouches for whom
 * @returns The method
 *
 * @example
 * ```ts
 * import { hostBased } from "@denossh/ssh";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * using hostKey = await generateKey();
 * await using pair = await connectedPair({
 *   connect: {
 *     auth: [hostBased(hostKey, { hostName: "build1", userName: "ci" })],
 *   },
 *   serve: {
 *     auth: {
 *       hostBased: (_user, key, { hostName, userName }) =>
 *         key.equals(hostKey.publicKey) && hostName === "build1" &&
 *         userName === "ci",
 *     },
 *   },
 *   handler: (session) => session.print("in"),
 * });
 * assertEquals(await pair.host.run("x"), "in");
 * ```
 */
export function hostBased(hostKey: Signer, options: HostBasedOptions): AuthMethod {
  // OpenSSH and the RFC's example write the dot of a complete name; who compares drops it.
  const hostName = options.hostName.replace(/\.?$/, ".");
  const { userName } = options;
  return {
    name: METHOD,
    async authenticate(dialog) {
      const { user, sessionId, signatureAlgorithms: accepted, signal } = dialog;
      const { algorithms, blob, type } = hostKey.publicKey;
      const algorithm = accepted === null || algorithms.length === 1
        ? algorithms[0]
        : algorithms.find((name) => accepted.includes(plainAlgorithm(name)));
      if (algorithm === undefined) {
        throw new AuthError(`The server accepts no signature algorithm of a key "${type}"`);
      }
      const request = { algorithm, hostKey: blob, hostName, userName };
      const signed = HostBasedSigned.encode({
        sessionId,
        number: MSG.USERAUTH_REQUEST,
        user,
        service: SERVICE,
        method: METHOD,
        ...request,
      });
      const signature = await hostKey.sign(algorithm, signed, { signal });
      return await dialog.request(HostBasedAuth.encode({ ...request, signature }));
    },
  };
}
