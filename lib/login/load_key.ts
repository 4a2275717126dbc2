import { PassphraseError, SshError } from "../errors.ts";
import type { PrivateKey } from "../keys/private_key.ts";
import { shown } from "../option_checks.ts";
import { isError, isPlatformError, systemReason } from "../runtime/errors.ts";
import { runtime } from "../runtime/runtime.ts";
import { expandHome } from "../runtime/local_path.ts";
import { plainMessage, reword } from "../error_messages.ts";

/** Options for reading a key file. */
export interface LoadKeyOptions {
  /** The passphrase, or a function that is called for it if the key is encrypted. */
  readonly passphrase?: string | (() => string | Promise<string>);
}

/**
 * Reads a private key file; `~/` is the home directory. Needs `--allow-read` for the file, and
 * `--allow-env=HOME` with `~/`.
 *
 * @throws {PassphraseError} If the key is encrypted and the passphrase is missing or wrong
 * @throws {KeyFormatError} If the file is not a private key
 *
 * @example
 * ```ts
 * import { loadKey } from "@denossh/ssh";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { assert } from "@std/assert";
 * import { mkdtemp, rm, writeFile } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 *
 * const folder = await mkdtemp(`${tmpdir()}/keys-`);
 * const path = `${folder}/id_ed25519`;
 * await writeFile(
 *   path,
 *   (await generateKey()).export({ passphrase: "secret" }),
 * );
 * using key = await loadKey(path, { passphrase: "secret" });
 * assert(key.publicKey.fingerprint().startsWith("SHA256:"));
 * await rm(folder, { recursive: true });
 * ```
 */
export async function loadKey(
  path: string | URL,
  options: LoadKeyOptions = {},
): Promise<PrivateKey> {
  if (typeof path !== "string" && !(path instanceof URL)) {
    throw new TypeError(`loadKey() needs the path of a file, not ${shown(path)}`);
  }
  const file = typeof path === "string" ? expandHome(path) : path;
  const text = await textOf(file);
  const { importPrivateKey } = await import("../keys/private_key.ts");
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
    const message = `Cannot load key "${file}": ${lowerFirst(plainMessage(cause))}`;
    throw cause instanceof PassphraseError
      ? new PassphraseError(message, { cause })
      : reword(cause, message);
  }
}

async function textOf(file: string | URL): Promise<string> {
  try {
    return await runtime.files.readTextFile(file);
  } catch (error) {
    if (isError(error, "NotCapable") || !isPlatformError(error)) throw error;
    error.message = `Cannot load key "${file}": ${lowerFirst(systemReason(error))}`;
    throw error;
  }
}

/** The text with its first letter in lower case, to follow a colon. */
export function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
