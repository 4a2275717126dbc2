import { agent } from "../agent/auth.ts";
import type { AuthMethod } from "../auth/auth_method.ts";
import { publicKey } from "../auth/public_key.ts";
import { KeyFormatError, PassphraseError, SshError } from "../errors.ts";
import { withCertificate } from "../keys/certificate.ts";
import { importPrivateKey, type PrivateKey, type Signer } from "../keys/private_key.ts";
import { importPublicKey, type PublicKey } from "../keys/public_key.ts";
import { knownHosts } from "../known_hosts/known_hosts_policy.ts";
import type { HostKeyPolicy } from "../known_hosts/host_key_policy.ts";

/** How a key file is decrypted. */
export interface LoadKeyOptions {
  /** The passphrase, or who is asked for it if the key turns out to be encrypted. */
  readonly passphrase?: string | (() => string | Promise<string>);
}

/**
 * Reads a private key file; `~/` is the home directory. Needs `--allow-read` for the file, and
 * `--allow-env=HOME` with `~/`.
 *
 * @throws {PassphraseError} If the key is encrypted and the passphrase is missing or wrong
 * @throws {KeyFormatError} If the file is no private key
 *
 * @example
 * ```ts
 * import { loadKey } from "@denossh/ssh";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { assert } from "@std/assert";
 *
 * const path = await Deno.makeTempFile();
 * await Deno.writeTextFile(path, (await generateKey()).export({ passphrase: "secret" }));
 * using key = await loadKey(path, { passphrase: "secret" });
 * assert(key.publicKey.fingerprint().startsWith("SHA256:"));
 * await Deno.remove(path);
 * ```
 */
export async function loadKey(
  path: string | URL,
  options: LoadKeyOptions = {},
): Promise<PrivateKey> {
  const file = typeof path === "string" ? expandHome(path) : path;
  const text = await Deno.readTextFile(file);
  const { passphrase } = options;
  try {
    if (typeof passphrase !== "function") {
      return importPrivateKey(text, passphrase === undefined ? {} : { passphrase });
    }
    try {
      return importPrivateKey(text);
    } catch (error) {
      if (!(error instanceof PassphraseError)) throw error;
      return importPrivateKey(text, { passphrase: await passphrase() });
    }
  } catch (cause) {
    if (!(cause instanceof SshError)) throw cause;
    const message = `Cannot load key "${file}": ${lowerFirst(cause.message)}`;
    throw cause instanceof PassphraseError
      ? new PassphraseError(message, { cause })
      : Object.assign(cause, { message });
  }
}

/** `~/` as the user's home directory. */
export function expandHome(path: string): string {
  if (path !== "~" && !path.startsWith("~/")) return path;
  return homeDirectory() + path.slice(1);
}

/** The files that `ssh` looks for host keys in. */
export function userKnownHosts(): HostKeyPolicy {
  return knownHosts([`${homeDirectory()}/.ssh/known_hosts`, "/etc/ssh/ssh_known_hosts"]);
}

/** The keys of the user's agent, and the unencrypted ones among the user's usual files. */
export async function userKeys(): Promise<AuthMethod[]> {
  const keys: PrivateKey[] = [];
  const methods: AuthMethod[] = [];
  for (const name of ["id_ed25519", "id_ecdsa", "id_rsa"]) {
    try {
      const key = await loadKey(`~/.ssh/${name}`);
      const certificate = await certificateBeside(`~/.ssh/${name}`, key);
      keys.push(key);
      methods.push(...[...certificate ? [certificate] : [], key].map((each) => publicKey(each)));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof PassphraseError) continue;
      throw error;
    }
  }
  if (!hasAgent()) return methods;
  // A key that is in both places is tried once: servers count.
  const isElsewhere = (key: PublicKey) => keys.some(({ publicKey }) => publicKey.equals(key));
  return [agent(undefined, { only: (key) => !isElsewhere(key) }), ...methods];
}

/** The key with the certificate that stands beside its file, as `ssh` looks for it; null without one. */
async function certificateBeside(path: string, key: PrivateKey): Promise<Signer | null> {
  try {
    const text = await Deno.readTextFile(expandHome(`${path}-cert.pub`));
    const certificate = importPublicKey(text);
    const own = certificate.certificate?.publicKey.equals(key.publicKey) ?? false;
    return own ? withCertificate(key, certificate) : null;
  } catch (error) {
    // What is no certificate is passed over: the key may do by itself.
    if (error instanceof Deno.errors.NotFound || error instanceof KeyFormatError) return null;
    throw error;
  }
}

/** Whether there is an agent that may be used: nobody is asked for a permission for its sake. */
export function hasAgent(variable = "SSH_AUTH_SOCK"): boolean {
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  return state === "granted" && !!Deno.env.get(variable);
}

function homeDirectory(): string {
  const home = Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE");
  if (!home) throw new TypeError("Neither HOME nor USERPROFILE is set");
  return home;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
