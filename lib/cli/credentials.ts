import type { AuthMethod } from "../auth/method.ts";
import { interactive } from "../auth/interactive.ts";
import { none } from "../auth/none.ts";
import { password } from "../auth/password.ts";
import { publicKey } from "../auth/public_key.ts";
import type { Challenge } from "../auth/prompts.ts";
import { expandHome } from "../client/identity.ts";
import { AuthError, KeyFormatError, PassphraseError, SshError } from "../errors.ts";
import { importPrivateKey, type PrivateKey, type Signer } from "../keys/private_key.ts";
import { importPublicKey, type PublicKey } from "../keys/public_key.ts";
import { agentKeys } from "./agent.ts";
import type { Asker, HostTrust } from "./host_trust.ts";
import type { Log } from "./log.ts";
import type { SshOptions } from "./ssh_options.ts";

const DEFAULT_KEYS = ["~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"];
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
    "publickey": () => options.PubkeyAuthentication === false ? [] : keys(options, context),
    "keyboard-interactive": () =>
      options.KbdInteractiveAuthentication === false ? [] : questions(options, context),
    "password": () => options.PasswordAuthentication === false ? [] : passwords(options, context),
  };
  const methods: AuthMethod[] = [];
  for (const name of options.PreferredAuthentications ?? DEFAULT_ORDER) {
    methods.push(...await makers[name]?.() ?? []);
  }
  // Who has no key asks first what the server takes, so that nobody types a password in vain.
  const asksFirst = methods[0] !== undefined && methods[0].name !== "publickey";
  return asksFirst ? [none(), ...methods] : methods;
}

async function keys(options: SshOptions, context: CredentialContext): Promise<AuthMethod[]> {
  const files = options.IdentityFile ?? DEFAULT_KEYS;
  const held = await agentKeys(options, context.log);
  // As in ssh: first the agent's keys that are named, then its others, then those in files only.
  const named: Signer[] = [];
  const inFiles: AuthMethod[] = [];
  for (const file of files.filter((file) => file !== "none").map(expandHome)) {
    const key = await heldKey(file, held);
    const method = key === null ? await keyMethod(file, options, context) : null;
    if (key !== null) named.push(key);
    if (method !== null) inFiles.push(method);
  }
  const others = options.IdentitiesOnly ? [] : held.filter((key) => !named.includes(key));
  return [...[...named, ...others].map((key) => publicKey(key, { probe: true })), ...inFiles];
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
): Promise<AuthMethod | null> {
  const { log } = context;
  let text: string;
  try {
    const { mode, uid } = await Deno.stat(file);
    if (mode !== null && uid === Deno.uid() && (mode & 0o077) !== 0) {
      const bits = (mode & 0o777).toString(8).padStart(4, "0");
      log.info(`Permissions ${bits} for '${file}' are too open: the key is not used`);
      return null;
    }
    text = await Deno.readTextFile(file);
  } catch (error) {
    const missing = error instanceof Deno.errors.NotFound;
    if (options.IdentityFile) {
      const why = missing ? "No such file or directory" : (error as Error).message;
      log.info(`Warning: Identity file ${file} not accessible: ${why}.`);
    } else if (!missing) log.verbose(`${file}: ${(error as Error).message}`);
    return null;
  }
  try {
    return publicKey(importPrivateKey(text));
  } catch (error) {
    if (error instanceof PassphraseError) {
      return await lockedKey(file, () => unlock(file, text, options, context));
    }
    if (error instanceof KeyFormatError) return failing("publickey", loading(file, error));
    throw error;
  }
}

/** A key that the passphrase is asked for only when the server would take it, if that can be known. */
async function lockedKey(file: string, unlock: () => Promise<PrivateKey>): Promise<AuthMethod> {
  const known = await publicHalf(`${file}.pub`);
  if (known === null) {
    return {
      name: "publickey",
      authenticate: async (dialog) => await publicKey(await unlock()).authenticate(dialog),
    };
  }
  const sign = async (algorithm: string, data: Uint8Array) => {
    using key = await unlock();
    return key.sign(algorithm, data);
  };
  return publicKey({ publicKey: known, sign }, { probe: true });
}

async function publicHalf(file: string): Promise<PublicKey | null> {
  try {
    return importPublicKey(await Deno.readTextFile(file));
  } catch {
    return null;
  }
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
