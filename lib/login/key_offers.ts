/** Selects and orders the keys to offer to a server. */
import type { AgentOptions } from "../agent/client.ts";
import type { AuthMethod } from "../auth/auth_method.ts";
import { publicKey } from "../auth/public_key.ts";
import { algorithmNames } from "../config/algorithm_lists.ts";
import { AuthError, PassphraseError, SshError } from "../errors.ts";
import { withCertificate } from "../keys/certificate.ts";
import { importPrivateKey, type PrivateKey, type Signer } from "../keys/private_key.ts";
import type { PublicKey } from "../keys/public_key.ts";
import { agentKeys, offerToAgent } from "./agent_keys.ts";
import { certificateFiles, type KeyFile, keyFiles, skipped, type SkippedKey } from "./key_files.ts";
import type { LoginDialog } from "./prompts.ts";
import type { LoginSettings } from "./settings.ts";
import { plainMessage } from "../error_messages.ts";

const PROMPTS = 3;

/** A method to try, or an unused key at its place in the order. */
export type Offer = AuthMethod | SkippedKey;

/** A key that can be offered. */
interface UsableKey {
  readonly signer: Signer;
  /** Whether to ask the server before signing, because a signature needs the agent or the user. */
  readonly probe: boolean;
}

/**
 * The keys for settings, in the order of `ssh`: certificates of CertificateFile, the named keys of the
 * agent, its other keys, and keys that are only in files. A certificate comes before its key: each
 * refusal costs a round trip, and certificates are made to be used.
 */
export async function keyOffers(
  settings: LoginSettings,
  { agent: agentOptions, ...dialog }: LoginDialog & { readonly agent: AgentOptions },
): Promise<Offer[]> {
  const [files, certificates, agent] = await Promise.all([
    keyFiles(settings),
    certificateFiles(settings),
    agentKeys(settings, agentOptions),
  ]);
  const offers = new KeyOffers(settings);
  if (agent.problem !== null) offers.skip({ message: agent.problem, level: "verbose" });
  const held: UsableKey[] = agent.keys.map((signer) => ({ signer, probe: true }));
  const inFiles = files.map((file) => ({ ...file, key: usableKey(file, settings, dialog) }));
  const usable = [...held, ...inFiles.flatMap(({ key }) => key ?? [])];

  for (const certificate of certificates) {
    const key = usable.find(({ signer }) => isOf(certificate, signer.publicKey));
    if (key) offers.offerCertificate(key, certificate);
  }
  const beside = files.flatMap((file) => file.certificates);
  const named = [...files.map((file) => file.publicKey), ...beside];
  for (const key of held) {
    if (named.some((known) => known?.equals(key.signer.publicKey))) offers.offer(key, beside);
  }
  if (!settings.IdentitiesOnly) { for (const key of held) offers.offer(key, []); }
  for (const { key, ...file } of inFiles) {
    if (file.publicKey !== null && offers.has(file.publicKey)) continue;
    if (key !== null) offers.offer(key, beside, file.path);
    else if ("message" in file.contents) offers.skip(file.contents);
    else if (dialog.ask !== null) offers.push(unlockedAtOnce(file, settings, dialog));
    else {
      const level = settings.IdentityFile === undefined ? "verbose" : "info";
      offers.skip(skipped(file.path, "it needs a passphrase", level));
    }
  }
  return offers.list;
}

/** The offers so far; each key is offered once, since servers limit attempts. */
class KeyOffers {
  readonly list: Offer[] = [];
  readonly #offered: PublicKey[] = [];
  readonly #algorithms: readonly string[] | null;
  readonly #leastBits: number;

  constructor({ PubkeyAcceptedAlgorithms, RequiredRSASize = 0 }: LoginSettings) {
    this.#algorithms = PubkeyAcceptedAlgorithms === undefined
      ? null
      : algorithmNames("user", PubkeyAcceptedAlgorithms);
    this.#leastBits = RequiredRSASize;
  }

  has(key: PublicKey): boolean {
    return this.#offered.some((offered) => offered.equals(key));
  }

  /** Offers a key, after its certificates. */
  offer(key: UsableKey, certificates: readonly PublicKey[], name = key.signer.publicKey.comment) {
    for (const each of certificates) {
      if (isOf(each, key.signer.publicKey)) this.offerCertificate(key, each);
    }
    this.#add(key, name);
  }

  offerCertificate(key: UsableKey, certificate: PublicKey): void {
    this.#add({ ...key, signer: withCertificate(key.signer, certificate) }, certificate.comment);
  }

  skip(key: SkippedKey): void {
    this.list.push(key);
  }

  push(method: AuthMethod): void {
    this.list.push(method);
  }

  #add({ signer, probe }: UsableKey, name: string): void {
    const { publicKey: key } = signer;
    if (this.has(key)) return;
    this.#offered.push(key);
    const why = this.#whyNot(key);
    if (why !== null) return this.skip(skipped(name || key.fingerprint(), why, "verbose"));
    const algorithms = this.#algorithms && { algorithms: [...this.#algorithms] };
    this.list.push(publicKey(signer, { probe, source: name, ...algorithms }));
  }

  #whyNot(key: PublicKey): string | null {
    const names = [...key.algorithms, ...key.legacyAlgorithms];
    if (this.#algorithms && !names.some((name) => this.#algorithms!.includes(name))) {
      return `no signature algorithm of ${key.type} is in PubkeyAcceptedAlgorithms`;
    }
    const isShort = key.type === "ssh-rsa" && key.bits < this.#leastBits;
    return isShort ? `it has less than ${this.#leastBits} bits` : null;
  }
}

function isOf(certificate: PublicKey, key: PublicKey): boolean {
  return certificate.certificate!.publicKey.equals(key);
}

/** The key of a file; null if it is missing, or if the public half of an encrypted file is unknown. */
function usableKey(
  file: KeyFile,
  settings: LoginSettings,
  dialog: LoginDialog,
): UsableKey | null {
  const { contents, publicKey } = file;
  if ("sign" in contents) {
    const { add = "no" } = settings.AddKeysToAgent ?? {};
    const signer = add === "no" ? contents : addedToAgent(contents, settings, dialog);
    return { signer, probe: false };
  }
  if (!("encrypted" in contents) || publicKey === null || dialog.ask === null) return null;
  const sign = async (algorithm: string, data: Uint8Array) => {
    using key = await unlock(file, settings, dialog);
    return key.sign(algorithm, data);
  };
  return { signer: { publicKey, sign }, probe: true };
}

/** A key that is added to the agent when it is used. */
function addedToAgent(key: PrivateKey, settings: LoginSettings, dialog: LoginDialog): Signer {
  return {
    publicKey: key.publicKey,
    async sign(algorithm, data) {
      await offerToAgent(key, settings, dialog);
      return await key.sign(algorithm, data);
    },
  };
}

/** An encrypted key whose public half is unknown. */
function unlockedAtOnce(
  file: KeyFile,
  settings: LoginSettings,
  dialog: LoginDialog,
): AuthMethod {
  return {
    name: "publickey",
    async authenticate(auth) {
      const offers = new KeyOffers(settings);
      offers.offer({ signer: await unlock(file, settings, dialog), probe: false }, [], file.path);
      const [offer] = offers.list;
      if ("authenticate" in offer!) return await offer.authenticate(auth);
      throw new AuthError(offer!.message);
    },
  };
}

/** Asks for the passphrase of a key, and adds the key to the agent if settings ask for it. */
async function unlock(
  { path, contents }: KeyFile,
  settings: LoginSettings,
  dialog: LoginDialog,
): Promise<PrivateKey> {
  const { encrypted } = contents as { encrypted: string };
  const { ask } = dialog;
  let problem = new PassphraseError("passphrase required");
  for (let left = settings.NumberOfPasswordPrompts ?? PROMPTS; ask && left > 0; left--) {
    const passphrase = await ask(`Enter passphrase for key '${path}': `, { echo: false });
    if (!passphrase) break;
    try {
      const key = importPrivateKey(encrypted, { passphrase });
      await offerToAgent(key, settings, dialog);
      return key;
    } catch (error) {
      if (!(error instanceof PassphraseError)) throw unusable(path, error);
      problem = new PassphraseError("incorrect passphrase");
    }
  }
  throw unusable(path, problem);
}

function unusable(path: string, cause: unknown): unknown {
  if (!(cause instanceof SshError)) return cause;
  return new AuthError(skipped(path, plainMessage(cause), "error").message, { cause });
}
