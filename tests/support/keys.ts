/** Keys for tests, in memory and on disk. RSA keys are stored, since generating one takes a while. */
import {
  type GeneratedKeyType,
  generateKey,
  importPrivateKey,
  type PrivateKey,
} from "../../lib/keys/mod.ts";
import { RSA_2048 } from "./rsa_keys.ts";

/** The kinds of keys made. */
export type KeyKind = "ed25519" | "ecdsa256" | "ecdsa384" | "ecdsa521" | "rsa";

/** A key pair on disk. */
export interface KeyFile {
  /**
   * The path of the private key, in OpenSSH's format without a passphrase; `.pub` is in the same
   * folder.
   */
  readonly path: string;
  /** The public key as one line. */
  readonly publicKey: string;
}

const TYPES: Readonly<Record<KeyKind, GeneratedKeyType>> = {
  ed25519: "ed25519",
  ecdsa256: "ecdsa-p256",
  ecdsa384: "ecdsa-p384",
  ecdsa521: "ecdsa-p521",
  rsa: "rsa",
};

let rsaKeys = 0;

/** Returns a key with a unique comment; the RSA keys are four, used in turn. */
export async function testKey(
  type: GeneratedKeyType = "ed25519",
  comment = "",
): Promise<PrivateKey> {
  if (type !== "rsa") return await generateKey(type, { comment });
  using stored = importPrivateKey(RSA_2048[rsaKeys++ % RSA_2048.length]!);
  return importPrivateKey(stored.export({ comment }));
}

/** Every kind of key. */
export const KEY_KINDS: readonly KeyKind[] = Object.keys(TYPES) as KeyKind[];

/** Makes the key of a kind for a purpose, such as `"host"` or `"user"`; later calls return the same key. */
export const keyFile: (kind: KeyKind, purpose: string) => Promise<KeyFile> = keyStore(
  async (kind, comment, path) => {
    using key = await testKey(TYPES[kind], comment);
    await Deno.writeTextFile(path, key.export(), { mode: 0o600 });
    await Deno.writeTextFile(`${path}.pub`, `${key.publicKey}\n`);
  },
);

/** Caches the keys that a function writes to a path, in a folder that is removed after the tests. */
export function keyStore(
  write: (kind: KeyKind, comment: string, path: string) => Promise<void>,
): (kind: KeyKind, purpose: string) => Promise<KeyFile> {
  const made = new Map<string, Promise<KeyFile>>();
  let folder: string | undefined;
  const make = async (kind: KeyKind, name: string): Promise<KeyFile> => {
    folder ??= temporaryFolder();
    const path = `${folder}/${name}`;
    await write(kind, name, path);
    return { path, publicKey: (await Deno.readTextFile(`${path}.pub`)).trim() };
  };
  return (kind, purpose) => {
    const name = `${purpose}_${kind}`;
    const key = made.get(name) ?? make(kind, name);
    made.set(name, key);
    return key;
  };
}

function temporaryFolder(): string {
  const path = Deno.makeTempDirSync({ prefix: "denossh-keys-" });
  globalThis.addEventListener("unload", () => Deno.removeSync(path, { recursive: true }));
  return path;
}
