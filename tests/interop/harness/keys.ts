/** Keys made by `ssh-keygen`, once for each test process: making RSA keys takes a while. */
import { must } from "../../support/run.ts";

/** The kinds of keys made. */
export type KeyKind = "ed25519" | "ecdsa256" | "ecdsa384" | "ecdsa521" | "rsa";

/** A key pair on disk. */
export interface KeyFile {
  /** The path of the private key, in OpenSSH's format without a passphrase. */
  readonly path: string;
  /** The public key as one line. */
  readonly publicKey: string;
}

const KINDS: Readonly<Record<KeyKind, readonly string[]>> = {
  ed25519: ["-t", "ed25519"],
  ecdsa256: ["-t", "ecdsa", "-b", "256"],
  ecdsa384: ["-t", "ecdsa", "-b", "384"],
  ecdsa521: ["-t", "ecdsa", "-b", "521"],
  rsa: ["-t", "rsa", "-b", "3072"],
};

/** Every kind of key. */
export const KEY_KINDS: readonly KeyKind[] = Object.keys(KINDS) as KeyKind[];

const made = new Map<string, Promise<KeyFile>>();
let folder: string | undefined;

/** The key of a kind for a purpose, such as `"host"` or `"user"`. */
export function keyFile(kind: KeyKind, purpose: string): Promise<KeyFile> {
  const name = `${purpose}_${kind}`;
  const key = made.get(name) ?? make(kind, name);
  made.set(name, key);
  return key;
}

async function make(kind: KeyKind, name: string): Promise<KeyFile> {
  const path = `${ownFolder()}/${name}`;
  await must("ssh-keygen", ["-q", ...KINDS[kind], "-N", "", "-C", name, "-f", path]);
  return { path, publicKey: (await Deno.readTextFile(`${path}.pub`)).trim() };
}

function ownFolder(): string {
  if (folder === undefined) {
    const path = folder = Deno.makeTempDirSync({ prefix: "denossh-keys-" });
    globalThis.addEventListener("unload", () => Deno.removeSync(path, { recursive: true }));
  }
  return folder;
}
