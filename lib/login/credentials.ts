import type { AgentOptions } from "../agent/client.ts";
import { interactive } from "../auth/interactive.ts";
import type { AuthMethod } from "../auth/auth_method.ts";
import { none } from "../auth/none.ts";
import { password } from "../auth/password.ts";
import type { Challenge } from "../auth/prompts.ts";
import { AuthError } from "../errors.ts";
import type { SkippedKey } from "./key_files.ts";
import { keyOffers, type Offer } from "./key_offers.ts";
import type { Ask, LoginDialog } from "./prompts.ts";
import type { LoginSettings } from "./settings.ts";

const DEFAULT_ORDER = ["publickey", "keyboard-interactive", "password"];
const PROMPTS = 3;

/** The login that the credentials are for. */
export interface CredentialContext extends LoginDialog {
  /** The time limit for the agent to list its keys. */
  readonly agent: AgentOptions;
  /** `user@host`, for prompts. */
  readonly account: string;
  /** Whether the host key is not the known one, so that no password may be sent. */
  readonly isCompromised: () => boolean;
}

/** The credentials of a login. */
export interface Credentials {
  /** The methods, in the order in which `ssh` tries them. */
  readonly methods: readonly AuthMethod[];
  /** The unused keys that have not been reported yet. */
  unreported(): readonly SkippedKey[];
}

/**
 * Finds the credentials for settings: keys of the agent and of files, and, if questions are allowed,
 * passwords. A key that cannot be used is reported at its place in the order.
 */
export async function credentials(
  settings: LoginSettings,
  context: CredentialContext,
): Promise<Credentials> {
  const { PubkeyAuthentication, KbdInteractiveAuthentication, PasswordAuthentication } = settings;
  const kinds = new Map<string, () => Offer[] | Promise<Offer[]>>([
    ["publickey", () => PubkeyAuthentication === "no" ? [] : keyOffers(settings, context)],
    [
      "keyboard-interactive",
      () => KbdInteractiveAuthentication === false ? [] : questions(settings, context),
    ],
    ["password", () => PasswordAuthentication === false ? [] : passwords(settings, context)],
  ]);
  const found: Offer[] = [];
  for (const name of settings.PreferredAuthentications?.split(",") ?? DEFAULT_ORDER) {
    found.push(...await kinds.get(name)?.() ?? []);
  }
  const unreported = new Set<SkippedKey>();
  const methods: AuthMethod[] = [];
  for (const each of found) {
    if ("authenticate" in each) {
      methods.push(reportingFirst(each, [...unreported], unreported, context));
    } else unreported.add(each);
  }
  // As with ssh: the server may accept "none", and otherwise lists its methods before a password is
  // typed for nothing.
  return { methods: [none(), ...methods], unreported: () => [...unreported] };
}

/** A method that first reports the keys before it in the order that cannot be used. */
function reportingFirst(
  method: AuthMethod,
  before: readonly SkippedKey[],
  unreported: Set<SkippedKey>,
  { report }: LoginDialog,
): AuthMethod {
  if (before.length === 0 || report === null) return method;
  return {
    ...method,
    authenticate(dialog) {
      for (const skipped of before) {
        if (unreported.delete(skipped)) report[skipped.level](skipped.message);
      }
      return method.authenticate(dialog);
    },
  };
}

function questions(settings: LoginSettings, context: CredentialContext): AuthMethod[] {
  const { ask, account, report } = context;
  if (ask === null) return [];
  return repeat(settings, () =>
    interactive(async ({ name, instruction, prompts }: Challenge) => {
      refuseIfCompromised(context);
      for (const line of [name, instruction]) if (line !== "") report?.info(line);
      const answers: string[] = [];
      for (const { text, echo } of prompts) {
        answers.push(await secret(ask, `(${account}) ${text}`, echo));
      }
      return answers;
    }));
}

function passwords(settings: LoginSettings, context: CredentialContext): AuthMethod[] {
  const { ask, account, report } = context;
  if (ask === null) return [];
  const change = async (prompt: string) => {
    if (prompt !== "") report?.info(prompt);
    const first = await secret(ask, `Enter ${account}'s new password: `);
    const second = await secret(ask, `Retype ${account}'s new password: `);
    if (first !== second) throw new AuthError("The new passwords differ");
    return first;
  };
  return repeat(settings, (attempt) =>
    password(async () => {
      refuseIfCompromised(context);
      if (attempt > 0) report?.info("Permission denied, please try again.");
      return await secret(ask, `${account}'s password: `);
    }, { change }));
}

function repeat(
  { NumberOfPasswordPrompts: length = PROMPTS }: LoginSettings,
  make: (attempt: number) => AuthMethod,
): AuthMethod[] {
  return Array.from({ length }, (_, attempt) => make(attempt));
}

async function secret(ask: Ask, prompt: string, echo = false): Promise<string> {
  const answer = await ask(prompt, { echo });
  if (answer === null) throw new AuthError("There is no terminal to ask for a password");
  return answer;
}

function refuseIfCompromised({ isCompromised }: CredentialContext): void {
  if (isCompromised()) {
    throw new AuthError("Passwords are disabled, because the host key differs from the known one");
  }
}
