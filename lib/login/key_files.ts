import { grantedUid } from "../config/file_trust.ts";
import type { HostSettings } from "../config/settings.ts";
import { KeyFormatError, PassphraseError, printable } from "../errors.ts";
import { importPrivateKey, type PrivateKey } from "../keys/private_key.ts";
import { publicHalf } from "../keys/public_half.ts";
import { type PublicKey, tryPublicKey } from "../keys/public_key.ts";
import { isError, systemReason } from "../runtime/errors.ts";
import { runtime } from "../runtime/runtime.ts";
import { expandHome } from "../runtime/local_path.ts";
import { lowerFirst } from "./load_key.ts";
import { plainMessage } from "../error_messages.ts";

/** The default files without IdentityFile, in the order of ssh_config(5). */
const DEFAULT_FILES = ["id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk"];

/** A key that is not used. */
export interface SkippedKey {
  /** The key and the reason. */
  readonly message: string;
  /** Its importance for the user: the level at which `ssh` reports it. */
  readonly level: "error" | "info" | "verbose";
}

/** The contents of a key file and the files beside it. */
export interface KeyFile {
  readonly path: string;
  /** The public key; null if no file has it. */
  readonly publicKey: PublicKey | null;
  /** The user certificates of the key that are beside it: in KEY-cert.pub or KEY.pub. */
  readonly certificates: readonly PublicKey[];
  /** The private key: ready for use, the text of an encrypted one, or the reason why it is missing. */
  readonly contents: PrivateKey | EncryptedKey | SkippedKey;
}

/** A private key that needs a passphrase. */
export interface EncryptedKey {
  readonly encrypted: string;
}

/**
 * Reads the key files in settings, or the default ones that exist.
 */
export async function keyFiles(
  { IdentityFile, CertificateFile }: Pick<HostSettings, "IdentityFile" | "CertificateFile">,
): Promise<KeyFile[]> {
  const named = IdentityFile !== undefined;
  const paths = IdentityFile?.filter((path) => !/^none$/i.test(path)) ?? defaultFiles();
  // As with ssh, CertificateFile replaces the certificates beside the keys.
  const beside = CertificateFile === undefined;
  const files = await Promise.all(paths.map((path) => readKeyFile(path, { named, beside })));
  return files.filter((file) => file !== null);
}

/** The certificates of the files that CertificateFile names. */
export async function certificateFiles(
  { CertificateFile = [] }: Pick<HostSettings, "CertificateFile">,
): Promise<PublicKey[]> {
  const paths = CertificateFile.filter((path) => !/^none$/i.test(path));
  const keys = await Promise.all(paths.map(readPublicKey));
  return keys.filter(isUserCertificate);
}

/** A key that is not used; `why` follows a colon. */
export function skipped(path: string, why: string, level: SkippedKey["level"]): SkippedKey {
  return { message: `Key "${printable(path, 1000)}" was not used: ${why}`, level };
}

/** The default files; those for security keys only if reading them needs no prompt. */
function defaultFiles(): string[] {
  return DEFAULT_FILES.map((name) => expandHome(`~/.ssh/${name}`))
    .filter((path) => !path.endsWith("_sk") || mayRead(path));
}

/** Reads one file and the files beside it; null if a default file does not exist. */
async function readKeyFile(
  path: string,
  { named, beside }: { readonly named: boolean; readonly beside: boolean },
): Promise<KeyFile | null> {
  const contents = await readPrivateKey(path, named);
  const isReady = contents !== null && "sign" in contents;
  const shown = mayRead(`${path}.pub`) ? await readPublicKey(`${path}.pub`) : null;
  const more = beside && (isReady || mayRead(`${path}-cert.pub`))
    ? await readPublicKey(`${path}-cert.pub`)
    : null;
  const publicKey = isReady
    ? contents.publicKey
    : await keyInside(path) ?? shown?.certificate?.publicKey ?? shown ??
      more?.certificate?.publicKey ?? null;
  if (contents === null && publicKey === null) return null;
  const certificates = [shown, more].filter(isUserCertificate)
    .filter(({ certificate }) => publicKey?.equals(certificate!.publicKey));
  return {
    path,
    publicKey,
    certificates,
    contents: contents ?? skipped(path, "there is no such file", "verbose"),
  };
}

/** The private key of a file; null if a default file does not exist. */
async function readPrivateKey(path: string, named: boolean): Promise<KeyFile["contents"] | null> {
  const level = named ? "error" : "verbose";
  try {
    const facts = await runtime.files.stat(path);
    if (facts.isDirectory) return skipped(path, "it is a folder", level);
    const open = await openPermissions(facts);
    if (open !== null) {
      const why = `permissions ${open} are too open (UNPROTECTED PRIVATE KEY FILE); ` +
        "run chmod 600 on it";
      return skipped(path, why, "error");
    }
    const text = await runtime.files.readTextFile(path);
    return parsed(text) ?? skipped(path, "it holds a public key only", level);
  } catch (error) {
    if (error instanceof KeyFormatError) {
      return skipped(path, lowerFirst(plainMessage(error)), level);
    }
    if (isError(error, "NotFound")) {
      return named ? skipped(path, "there is no such file", "info") : null;
    }
    if (isError(error, "NotCapable") || !(error instanceof Error)) throw error;
    return skipped(path, printable(lowerFirst(systemReason(error)), 1000), level);
  }
}

/** The private key in a text; null if it is a public key. */
function parsed(text: string): PrivateKey | EncryptedKey | null {
  try {
    return importPrivateKey(text);
  } catch (error) {
    if (error instanceof PassphraseError) return { encrypted: text };
    if (error instanceof KeyFormatError && tryPublicKey(text) !== null) return null;
    throw error;
  }
}

/** The permissions of the user's own file if other users can access it, otherwise null, as in ssh. */
async function openPermissions(
  { mode, uid }: Pick<Deno.FileInfo, "mode" | "uid">,
): Promise<string | null> {
  if (mode === null || (mode & 0o077) === 0 || uid !== await grantedUid()) return null;
  return (mode & 0o777).toString(8).padStart(4, "0");
}

/** The public key in the file itself, which may be the public half of a key in the agent. */
async function keyInside(path: string): Promise<PublicKey | null> {
  const text = await readText(path);
  const key = text === null ? null : tryPublicKey(text) ?? publicHalf(text);
  return key?.certificate?.publicKey ?? key;
}

/** The public key, or certificate, of a file; null if there is none. */
async function readPublicKey(path: string): Promise<PublicKey | null> {
  const text = await readText(path);
  return text === null ? null : tryPublicKey(text);
}

/** The text of a file; null if it cannot be read. */
async function readText(path: string): Promise<string | null> {
  try {
    return await runtime.files.readTextFile(path);
  } catch (error) {
    if (isError(error, "NotCapable")) throw error;
    return null;
  }
}

function isUserCertificate(key: PublicKey | null): key is PublicKey {
  return key?.certificate?.kind === "user";
}

/** Whether a file may be read without a prompt for the permission. */
function mayRead(path: string): boolean {
  return runtime.isGranted({ name: "read", path });
}
