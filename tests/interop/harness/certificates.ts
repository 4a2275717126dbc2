/** Certificates made by `ssh-keygen`. */
import { type KeyFile, keyFile, type KeyKind } from "./keys.ts";
import { must } from "../../support/run.ts";
import type { TempFolder } from "../../support/temp.ts";

/** Options of `ssh-keygen -s`. */
export interface CertifyOptions {
  /** The kind of the key that is certified, ed25519 unless given. */
  kind?: KeyKind;
  /** Whether the certificate is a host's. */
  host?: boolean;
  principals?: readonly string[];
  /** `-V`, such as `-2w:-1w`. */
  validity?: string;
  /** `-O`, such as `force-command=true`. */
  options?: readonly string[];
  /** `-t`, the authority's signature algorithm. */
  algorithm?: string;
  /** The authority's key; `authority()` unless given. */
  authority?: KeyFile;
}

/** A key with its certificate in the same folder, where `ssh` finds it. */
export interface CertifiedKey {
  /** The path of the private key; the certificate is at `${path}-cert.pub`. */
  readonly path: string;
  /** The key as one line. */
  readonly publicKey: string;
  /** The certificate as one line. */
  readonly certificate: string;
}

/** The default authority. */
export function authority(): Promise<KeyFile> {
  return keyFile("ed25519", "authority");
}

/** Certifies a copy of a key that is made for a purpose. */
export async function certifiedKey(
  folder: TempFolder,
  purpose: string,
  options: CertifyOptions = {},
): Promise<CertifiedKey> {
  const { kind = "ed25519", host = false, principals, validity } = options;
  const key = await keyFile(kind, purpose);
  const name = `${purpose}_${kind}_${crypto.randomUUID().slice(0, 8)}`;
  const path = await folder.write(name, await Deno.readTextFile(key.path));
  await folder.write(`${name}.pub`, `${key.publicKey}\n`);
  await must("ssh-keygen", [
    ...["-q", "-s", (options.authority ?? await authority()).path, "-I", name],
    ...(host ? ["-h"] : []),
    ...(options.algorithm ? ["-t", options.algorithm] : []),
    ...(principals ? ["-n", principals.join(",")] : []),
    ...(validity ? ["-V", validity] : []),
    ...(options.options ?? []).flatMap((option) => ["-O", option]),
    `${path}.pub`,
  ]);
  const certificate = (await Deno.readTextFile(`${path}-cert.pub`)).trim();
  return { path, publicKey: key.publicKey, certificate };
}
