import type { AuthMethod } from "../../auth/auth_method.ts";
import { interactive } from "../../auth/interactive.ts";
import { none } from "../../auth/none.ts";
import { password } from "../../auth/password.ts";
import { publicKey } from "../../auth/public_key.ts";
import type { Challenge } from "../../auth/prompts.ts";
import { certificatesOf, keyOptions, publicHalf, USUAL_KEYS } from "../../login/credentials.ts";
import { expandHome } from "../../login/key_files.ts";
import { AuthError, KeyFormatError, PassphraseError, SshError } from "../../errors.ts";
import { importPrivateKey, type PrivateKey, type Signer } from "../../keys/private_key.ts";
import { withCertificate } from "../../keys/certificate.ts";
import type { PublicKey } from "../../keys/public_key.ts";
import { agentKeys, offerToAgent } from "./agent.ts";
import type { Asker, HostTrust } from "./host_trust.ts";
import type { Log } from "./log.ts";
import type { SshOptions } from "./ssh_options.ts";

const DEFAULT_ORDER = ["publickey", "keyboard-interactive", "password"];
const PROMPTS = 3;

/** What the credentials are for, and how to get at them. */
export interface CredentialContext {
  /** `user@host`, for prompts. */
  readonly account: string;
  readonly trust: HostTrust;
  /** Asks the user, or null if that is out of the question. */
  readonly ask: Asker | null;
  readonly log: Log;
}

/** The credentials that the options name, in the order in which `ssh` tries them. */
export async function credentials(
  options: SshOptions,
  context: CredentialContext,
): Promise<AuthMethod[]> {
  const makers: Readonly<Record<string, () => AuthMethod[] | Promise<AuthMethod[]>>> = {
    "publickey": () => options.PubkeyAuthentication === "no" ? [] : keys(options, context),
    "keyboard-interactive": () =>
      options.KbdInteractiveAuthentication === false ? [] : questions(options, context),
    "password": () => options.PasswordAuthentication === false ? [] : passwords(options, context),
  };
  const methods: AuthMethod[] = [];
  for (const name of options.PreferredAuthentications?.split(",") ?? DEFAULT_ORDER) {
    methods.push(...await makers[name]?.() ?? []);
  }
  // Who has no key asks first what the server takes, so that nobody types a password in vain.
  const asksFirst = methods[0] !== undefined && methods[0].name !== "publickey";
  return asksFirst ? [none(), ...methods] : methods;
}

async function keys(options: SshOptions, context: CredentialContext): Promise<AuthMethod[]> {
  const files = options.IdentityFile ?? USUAL_KEYS.map(expandHome);
  const held = await agentKeys(options, context.log);
  const certificates = await certificatesOf(options);
  // As in ssh: first the agent's keys that are named, then its others, then those in files only.
  const named: Signer[] = [];
  const inFiles: AuthMethod[] = [];
  for (const file of files.filter((file) => !/^none$/i.test(file))) {
    const key = await heldKey(file, held);
    const method = key === null ? await keyMethod(file, options, context, certificates) : [];
    if (key !== null) named.push(key);
    inFiles.push(...method);
  }
  const others = options.IdentitiesOnly ? [] : held.filter((key) => !named.includes(key));
  const ofAgent = [...named, ...others].flatMap((key) => withCertificates(key, certificates));
  const how = { ...keyOptions(options), probe: true };
  return [...ofAgent.map((key) => publicKey(key, how)), ...inFiles];
}

/** A key with the certificates that are its own, then the key itself. */
function withCertificates(key: Signer, certificates: readonly PublicKey[]): Signer[] {
  const own = certificates.filter((each) => each.certificate!.publicKey.equals(key.publicKey));
  return [...own.map((each) => withCertificate(key, each)), key];
}

/** The key of the agent that a file, of either half, is about; null if the agent has it not. */
async function heldKey(file: string, held: readonly Signer[]): Promise<Signer | null> {
  if (held.length === 0) return null;
  const known = await publicHalf(file) ?? await publicHalf(`${file}.pub`);
  return held.find(({ publicKey }) => known !== null && publicKey.equals(known)) ?? null;
}

async function keyMethod(
  file: string,
  options: SshOptions,
  context: CredentialContext,
  certificates: readonly PublicKey[],
): Promise<AuthMethod[]> {
  const { log } = context;
  let text: string;
  try {
    const { mode, uid } = await Deno.stat(file);
    if (mode !== null && uid === Deno.uid() && (mode & 0o077) !== 0) {
      const bits = (mode & 0o777).toString(8).padStart(4, "0");
      log.info(`Permissions ${bits} for '${file}' are too open: the key is not used`);
      return [];
    }
    text = await Deno.readTextFile(file);
  } catch (error) {
    const missing = error instanceof Deno.errors.NotFound;
    const why = missing ? "No such file or directory" : (error as Error).message;
    if (options.IdentityFile || !missing) log.verbose(`${file}: ${why}`);
    return [];
  }
  try {
    const key = importPrivateKey(text);
    const add = () => offerToAgent(key, options, context);
    return withCertificates(key, certificates)
      .map((each) => publicKey(noting(each, add), keyOptions(options)));
  } catch (error) {
    if (error instanceof PassphraseError) {
      return await lockedKey(file, options, certificates, async () => {
        const key = await unlock(file, text, options, context);
        await offerToAgent(key, options, context);
        return key;
      });
    }
    // A file that nobody named may hold a key of a kind that we do not have.
    if (error instanceof KeyFormatError && options.IdentityFile) {
      return [failing("publickey", loading(file, error))];
    }
    if (error instanceof KeyFormatError) return [];
    throw error;
  }
}

/** A key that says when it is used. */
function noting(key: Signer, used: () => Promise<void>): Signer {
  return {
    publicKey: key.publicKey,
    async sign(algorithm, data) {
      await used();
      return await key.sign(algorithm, data);
    },
  };
}

/** A key that the passphrase is asked for only when the server would take it, if that can be known. */
async function lockedKey(
  file: string,
  options: SshOptions,
  certificates: readonly PublicKey[],
  unlock: () => Promise<PrivateKey>,
): Promise<AuthMethod[]> {
  const known = await publicHalf(`${file}.pub`);
  if (known === null) {
    return [{
      name: "publickey",
      authenticate: async (dialog) =>
        await publicKey(await unlock(), keyOptions(options)).authenticate(dialog),
    }];
  }
  const sign = async (algorithm: string, data: Uint8Array) => {
    using key = await unlock();
    return key.sign(algorithm, data);
  };
  return withCertificates({ publicKey: known, sign }, certificates)
    .map((key) => publicKey(key, { ...keyOptions(options), probe: true }));
}

async function unlock(
  file: string,
  text: string,
  options: SshOptions,
  { ask }: CredentialContext,
): Promise<PrivateKey> {
  let problem = new PassphraseError("passphrase required");
  for (let tries = options.NumberOfPasswordPrompts ?? PROMPTS; ask && tries > 0; tries--) {
    const passphrase = await ask(`Enter passphrase for key '${file}': `, { echo: false });
    if (!passphrase) break;
    try {
      return importPrivateKey(text, { passphrase });
    } catch (error) {
      if (!(error instanceof PassphraseError)) throw loading(file, error as Error);
      problem = new PassphraseError("incorrect passphrase");
    }
  }
  throw loading(file, problem);
}

function loading(file: string, cause: Error): AuthError {
  if (!(cause instanceof SshError)) throw cause;
  return new AuthError(`Load key "${file}": ${cause.message}`, { cause });
}

function failing(name: string, error: Error): AuthMethod {
  return { name, authenticate: () => Promise.reject(error) };
}

function questions(options: SshOptions, context: CredentialContext): AuthMethod[] {
  const { ask, account, log } = context;
  if (ask === null) return [];
  return repeat(options, () =>
    interactive(async ({ name, instruction, prompts }: Challenge) => {
      refuseIfCompromised(context);
      for (const line of [name, instruction]) if (line !== "") log.info(line);
      const answers: string[] = [];
      for (const { text, echo } of prompts) {
        answers.push(await secret(ask, `(${account}) ${text}`, echo));
      }
      return answers;
    }));
}

function passwords(options: SshOptions, context: CredentialContext): AuthMethod[] {
  const { ask, account, log } = context;
  if (ask === null) return [];
  const change = async (prompt: string) => {
    if (prompt !== "") log.info(prompt);
    const first = await secret(ask, `Enter ${account}'s new password: `);
    const second = await secret(ask, `Retype ${account}'s new password: `);
    if (first !== second) throw new AuthError("The new passwords differ");
    return first;
  };
  return repeat(options, (attempt) =>
    password(async () => {
      refuseIfCompromised(context);
      if (attempt > 0) log.info("Permission denied, please try again.");
      return await secret(ask, `${account}'s password: `);
    }, { change }));
}

function repeat(options: SshOptions, make: (attempt: number) => AuthMethod): AuthMethod[] {
  const length = options.NumberOfPasswordPrompts ?? PROMPTS;
  return Array.from({ length }, (_, attempt) => make(attempt));
}

async function secret(ask: Asker, prompt: string, echo = false): Promise<string> {
  const answer = await ask(prompt, { echo });
  if (answer === null) throw new AuthError("There is no terminal to ask for a password");
  return answer;
}

function refuseIfCompromised({ trust }: CredentialContext): void {
  if (trust.compromised) {
    throw new AuthError("Passwords are disabled, since the host key is not the known one");
  }
}
