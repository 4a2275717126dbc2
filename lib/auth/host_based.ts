import { AuthError } from "../errors.ts";
import { plainAlgorithm } from "../keys/certificate_names.ts";
import type { Signer } from "../keys/private_key.ts";
import { MSG } from "../wire/numbers.ts";
import { HostBasedAuth, HostBasedSigned } from "../wire/requests.ts";
import { type AuthMethod, SERVICE } from "./auth_method.ts";

const METHOD = "hostbased";

/** The host and the user that it vouches for. */
export interface HostBasedOptions {
  /** This host's name, as known to the server. */
  readonly hostName: string;
  /** The user on this host. */
  readonly userName: string;
}

/**
 * Host-based authentication: this host vouches for its user (RFC 4252 §9). A program that can use the
 * host's key can log in as any of its users, so ordinary programs have no access to it.
 *
 * @param hostKey The key that the server knows this host by
 * @param options The host and its user
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
  // OpenSSH and the RFC's example write the final dot of a complete name; servers ignore it.
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
