import { equals } from "@std/bytes";
import { AuthError, printable, ProtocolError } from "../errors.ts";
import { plainAlgorithm } from "../keys/certificate_names.ts";
import { keyTypeLabel } from "../keys/key_labels.ts";
import type { Signer } from "../keys/private_key.ts";
import { UserauthPkOk } from "../wire/messages.ts";
import { HOST_BOUND, MSG } from "../wire/numbers.ts";
import {
  HostBoundAuth,
  HostBoundProbe,
  HostBoundSigned,
  PublicKeyAuth,
  PublicKeyProbe,
  PublicKeySigned,
} from "../wire/requests.ts";
import { type AuthDialog, type AuthMethod, SERVICE } from "./auth_method.ts";

const METHOD = "publickey";

/** Options for offering a key. */
export interface PublicKeyOptions {
  /**
   * Asks first whether the server accepts the key, and signs only then: for keys whose use has a cost,
   * such as a touch.
   */
  probe?: boolean;
  /** The permitted signature algorithms; by default those of the key. */
  algorithms?: readonly string[];
  /** The origin of the key for errors: the path of its file, or its comment. */
  source?: string;
}

/**
 * Public key authentication (RFC 4252 §7).
 *
 * @param key The signing key: a private key, or one in an agent
 * @param options Whether to ask before signing
 * @returns The method
 *
 * @example
 * ```ts
 * import { publicKey } from "@denossh/ssh";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * using key = await generateKey("ed25519");
 * assertEquals(publicKey(key).name, "publickey");
 * ```
 */
export function publicKey(key: Signer, options: PublicKeyOptions = {}): AuthMethod {
  // The value is not shown: it may be the text of a private key.
  if (!key?.publicKey) {
    throw new TypeError(
      'publicKey() needs a private key, such as await loadKey("~/.ssh/id_ed25519")',
    );
  }
  return {
    name: METHOD,
    get label() {
      return labelOf(key, options.source);
    },
    // With a single algorithm the server's announcement makes no difference.
    eager: allowedOf(key, options).length === 1,
    async authenticate(dialog) {
      const algorithm = chooseAlgorithm(key, options, dialog.signatureAlgorithms);
      const { blob } = key.publicKey;
      if (options.probe) {
        const answer = await probe(dialog, algorithm, key);
        if (answer[0] === MSG.USERAUTH_FAILURE) return answer;
      }
      const request = { algorithm, publicKey: blob, signed: true };
      const session = {
        sessionId: dialog.sessionId,
        number: MSG.USERAUTH_REQUEST,
        user: dialog.user,
        service: SERVICE,
      };
      if (!dialog.hostBound) {
        const signed = PublicKeySigned.encode({ ...request, ...session, method: METHOD });
        const signature = await sign(key, algorithm, signed, dialog);
        return dialog.request(PublicKeyAuth.encode({ ...request, signature }));
      }
      // It tells the agent, even a forwarded one, which server the login is for.
      const bound = { ...request, hostKey: dialog.host.hostKey.blob };
      const signed = HostBoundSigned.encode({ ...bound, ...session, method: HOST_BOUND.METHOD });
      const signature = await sign(key, algorithm, signed, dialog);
      return dialog.request(HostBoundAuth.encode({ ...bound, signature }), HOST_BOUND.METHOD);
    },
  };
}

function labelOf({ publicKey }: Signer, source: string = publicKey.comment): string {
  const about = `${keyTypeLabel(publicKey)} ${publicKey.fingerprint()}`;
  return source === "" ? `key ${about}` : `key "${printable(source, 1000)}" (${about})`;
}

/** The algorithms that a key may sign with, best first. */
function allowedOf({ publicKey }: Signer, { algorithms: allowed }: PublicKeyOptions) {
  const { algorithms, legacyAlgorithms } = publicKey;
  if (allowed === undefined) return algorithms;
  return [...algorithms, ...legacyAlgorithms].filter((name) => allowed.includes(name));
}

// RFC 8332 §3.3: server-sig-algs decides between several algorithms. With a single one the list is
// ignored: OpenSSH 7.4 lists only RSA, and accepts the others.
function chooseAlgorithm(
  key: Signer,
  options: PublicKeyOptions,
  accepted: readonly string[] | null,
): string {
  const { legacyAlgorithms, type } = key.publicKey;
  const algorithms = allowedOf(key, options);
  const legacy = options.algorithms ? [] : legacyAlgorithms; // else they are among the others
  if (algorithms.length === 0) {
    throw new AuthError(`No signature algorithm of a key "${type}" is allowed`);
  }
  const choice = accepted === null || algorithms.length === 1
    ? algorithms[0]
    : [...algorithms, ...legacy].find((algorithm) => accepted.includes(plainAlgorithm(algorithm)));
  if (choice === undefined) {
    throw new AuthError(`The server accepts no signature algorithm of a key "${type}"`);
  }
  return choice;
}

async function sign(
  key: Signer,
  algorithm: string,
  data: Uint8Array,
  { signal, host }: AuthDialog,
): Promise<Uint8Array> {
  try {
    return await key.sign(algorithm, data, { signal, host });
  } catch (cause) {
    signal.throwIfAborted();
    throw new AuthError(`Cannot sign with the key ${key.publicKey.fingerprint()}`, { cause });
  }
}

async function probe(
  dialog: AuthDialog,
  algorithm: string,
  { publicKey: { type, blob, algorithms, legacyAlgorithms } }: Signer,
): Promise<Uint8Array> {
  const question = { signed: false, algorithm, publicKey: blob };
  const answer = dialog.hostBound
    ? await dialog.request(
      HostBoundProbe.encode({ ...question, hostKey: dialog.host.hostKey.blob }),
      HOST_BOUND.METHOD,
    )
    : await dialog.request(PublicKeyProbe.encode(question));
  if (answer[0] === MSG.USERAUTH_FAILURE) return answer;
  // Any other answer is refused here, including SUCCESS for a query.
  const ok = UserauthPkOk.decode(answer);
  // Some servers name the key's type, or another of its algorithms; OpenSSH compares only the key.
  const names = [type, ...algorithms, ...legacyAlgorithms];
  if (!names.includes(ok.algorithm) || !equals(ok.publicKey, blob)) {
    throw new ProtocolError("The server accepts another key than the one it was asked about");
  }
  return answer;
}
