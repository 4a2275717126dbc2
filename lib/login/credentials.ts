import { agent } from "../agent/auth.ts";
import type { AuthMethod } from "../auth/auth_method.ts";
import { publicKey, type PublicKeyOptions } from "../auth/public_key.ts";
import { resolveList } from "../config/algorithm_lists.ts";
import type { HostSettings } from "../config/settings.ts";
import { KeyFormatError, PassphraseError } from "../errors.ts";
import { withCertificate } from "../keys/certificate.ts";
import type { PrivateKey } from "../keys/private_key.ts";
import { importPublicKey, type PublicKey } from "../keys/public_key.ts";
import { expandHome, hasAgent, loadKey } from "./key_files.ts";

/** The files that are tried if nobody names any, best first. */
export const USUAL_KEYS: readonly string[] = [
  "~/.ssh/id_ed25519",
  "~/.ssh/id_ecdsa",
  "~/.ssh/id_rsa",
];

/**
 * The credentials that settings ask for; undefined if they say nothing about them. There is nobody to be
 * asked for a passphrase: a key that needs one is used only if the agent has it.
 */
export async function configuredKeys(settings: HostSettings): Promise<AuthMethod[] | undefined> {
  const { IdentityFile, CertificateFile, IdentityAgent, IdentitiesOnly } = settings;
  const options = keyOptions(settings);
  if (isOff(settings)) return [];
  const says = [
    IdentityFile,
    CertificateFile,
    IdentityAgent,
    IdentitiesOnly,
    settings.PubkeyAcceptedAlgorithms,
  ];
  if (says.every((value) => value === undefined)) return undefined;
  const keys: PrivateKey[] = [];
  const named: PublicKey[] = [];
  for (const file of IdentityFile ?? USUAL_KEYS.map(expandHome)) {
    if (/^none$/i.test(file)) continue;
    const key = await keyOf(file, IdentityFile !== undefined);
    if (key !== null) keys.push(key);
    const known = key?.publicKey ?? await publicHalf(file) ?? await publicHalf(`${file}.pub`);
    if (known !== null) named.push(known);
  }
  const certificates = await certificatesOf(settings);
  const ofFiles = keys.flatMap((key) => [
    ...certificates
      .filter((each) => each.certificate!.publicKey.equals(key.publicKey))
      .map((each) => publicKey(withCertificate(key, each), options)),
    publicKey(key, options),
  ]);
  const path = agentPath(settings);
  if (path === null) return ofFiles;
  const isIn = (list: readonly PublicKey[]) => (key: PublicKey) =>
    list.some((each) => each.equals(key.certificate?.publicKey ?? key));
  const isLoaded = isIn(keys.map((key) => key.publicKey));
  const isNamed = isIn(named);
  // A key that is in both places is tried once: servers count.
  const only = (key: PublicKey) => !isLoaded(key) && (!IdentitiesOnly || isNamed(key));
  return [agent(path, { only }), ...ofFiles];
}

/** How keys are offered: PubkeyAcceptedAlgorithms says what they may sign by. */
export function keyOptions(
  { PubkeyAcceptedAlgorithms: accepted }: Pick<HostSettings, "PubkeyAcceptedAlgorithms">,
): PublicKeyOptions {
  return accepted === undefined ? {} : { algorithms: resolveList("user", accepted) };
}

/** The certificates of the files that settings name, or that stand beside the keys. */
export async function certificatesOf(
  settings: Pick<HostSettings, "CertificateFile" | "IdentityFile">,
): Promise<PublicKey[]> {
  const { CertificateFile, IdentityFile } = settings;
  const files = CertificateFile ??
    (IdentityFile ?? USUAL_KEYS.map(expandHome)).map((file) => `${file}-cert.pub`);
  const keys = await Promise.all(files.map(publicHalf));
  return keys.filter((key) => key !== null && key.certificate !== null) as PublicKey[];
}

/** The agent's socket, undefined for the one of SSH_AUTH_SOCK; null if there is none to be used. */
export function agentPath({ IdentityAgent }: Pick<HostSettings, "IdentityAgent">): string | null {
  if (IdentityAgent !== undefined && /^none$/i.test(IdentityAgent)) return null;
  const name = IdentityAgent === undefined || IdentityAgent === "SSH_AUTH_SOCK"
    ? "SSH_AUTH_SOCK"
    : /^\$\{?(\w+)\}?$/.exec(IdentityAgent)?.[1];
  if (name === undefined) return IdentityAgent!;
  return hasAgent(name) ? Deno.env.get(name)! : null;
}

/** The public key, or certificate, of a file; null if there is none. */
export async function publicHalf(file: string): Promise<PublicKey | null> {
  try {
    return importPublicKey(await Deno.readTextFile(file));
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    return null;
  }
}

/** A key that can be used without asking; of a file that nobody named, whatever is wrong is passed over. */
async function keyOf(file: string, named: boolean): Promise<PrivateKey | null> {
  try {
    return await loadKey(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof PassphraseError) return null;
    if (!(error instanceof KeyFormatError)) throw error;
    // The file of a public key stands for the key that the agent has.
    if (!named || await publicHalf(file) !== null) return null;
    throw error;
  }
}

function isOff({ PubkeyAuthentication, PreferredAuthentications: order }: HostSettings): boolean {
  return PubkeyAuthentication === "no" ||
    (order !== undefined && !order.split(",").includes("publickey"));
}
