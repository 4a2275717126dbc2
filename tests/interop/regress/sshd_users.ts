/** Logins by the files and commands of a configuration, and their rights. */
import {
  authorizedKeys,
  type ForwardPolicy,
  Grant,
  type Login,
  type PublicKey,
  type ServerAuthPolicy,
  type Session,
  systemShell,
} from "../../../lib/server/mod.ts";
import { resolveSuite } from "../../../lib/crypto/suite.ts";
import { listsBind, listsTarget } from "../../../lib/forward/address_list.ts";
import { importPublicKey } from "../../../lib/keys/mod.ts";
import { matchesWildcards } from "../../../lib/patterns.ts";
import type { Values } from "./sshd_config.ts";
import { isOn, revocationsOf, serveSettings, textOf, wordsOf } from "./sshd_settings.ts";

/** The values for a user of the connection. */
export type ValuesOf = (user: string) => Values;

/** A user's name without the style of authentication that may follow it. */
export function withoutStyle(user: string): string {
  return user.replace(/:.*$/s, "");
}

/** The login policy. */
export function authPolicy(valuesOf: ValuesOf, before: Values): ServerAuthPolicy {
  const policy: ServerAuthPolicy = {
    publicKey: (user, key, client) => mayLogIn(valuesOf(user), withoutStyle(user), key, client),
  };
  const lists = wordsOf(before, "AuthenticationMethods").filter((list) => list !== "any");
  if (lists.length > 0) policy.required = lists.map((list) => list.split(","));
  const banner = textOf(before, "Banner");
  if (banner !== undefined && banner !== "none") {
    policy.banner = () => readIfThere(banner);
  }
  return policy;
}

async function mayLogIn(
  values: Values,
  user: string,
  key: PublicKey,
  client: { readonly remoteAddr: Deno.Addr | null },
): Promise<Grant | false> {
  const names = (name: string) => wordsOf(values, name);
  const lists = (name: string) => names(name).some((pattern) => matchesWildcards(pattern, user));
  if (lists("DenyUsers") || (names("AllowUsers").length > 0 && !lists("AllowUsers"))) return false;
  if (!isOn(values, "PubkeyAuthentication", true)) return false;
  const { algorithms = {} } = serveSettings(values);
  const accepted = resolveSuite(algorithms).userKey;
  if (!key.algorithms.some((name) => accepted.includes(name))) return false;
  const revoked = await revocationsOf(values);
  const authorities = await authoritiesOf(values);
  const principals = await principalsOf(values, user, key);
  const text = async () => {
    // A certificate's principals are in a file whose lines may have the options of a key line.
    const lines = authorities.flatMap((authority) =>
      (principals ?? []).map((line) => certificateLine(line, authority))
    );
    return [...lines, await keysText(values, user, key)].join("\n");
  };
  const check = authorizedKeys(text, {
    ...principals === null && { authorities },
    permitUserEnvironment: isOn(values, "PermitUserEnvironment", false),
    revoked: (key) => revoked === "all" || (revoked?.isRevoked(key) ?? false),
  });
  const grant = await check(user, key, client);
  return grant && withValues(grant, values);
}

function certificateLine(line: string, authority: PublicKey): string {
  const [, options = "", name] = /^(?:(.*?)[ \t]+)?(\S+)$/.exec(line) ?? [];
  return `cert-authority,principals="${name}"${options && `,${options}`} ${authority}`;
}

/** Settings of a configuration that limit a grant. */
function withValues(grant: Grant, values: Values): Grant {
  const forced = textOf(values, "ForceCommand");
  // The first value of a name wins.
  const set = Object.fromEntries(
    wordsOf(values, "SetEnv").toReversed().map((pair) => {
      const equals = pair.indexOf("=");
      return [pair.slice(0, equals), pair.slice(equals + 1)];
    }),
  );
  return new Grant({
    ...grant,
    command: forced === undefined || forced === "none" ? grant.command : forced,
    environment: { ...grant.environment, ...set },
  });
}

/** The lines of the user's files, and what AuthorizedKeysCommand prints. */
async function keysText(values: Values, user: string, key: PublicKey): Promise<string> {
  const texts: string[] = [];
  const files = wordsOf(values, "AuthorizedKeysFile");
  for (const file of files.length > 0 ? files : [".ssh/authorized_keys"]) {
    if (file !== "none") texts.push(await readIfThere(inHome(expand(file, { u: user }))));
  }
  const command = wordsOf(values, "AuthorizedKeysCommand");
  if (command.length > 0 && command[0] !== "none") {
    const tokens = { u: user, t: key.type, f: key.fingerprint(), k: base64Of(key) };
    texts.push(await outputOf(command.length > 1 ? command : [command[0]!, "%u"], tokens));
  }
  return texts.join("\n");
}

/** The lines of the principals files; null without files, so that the user name is the principal. */
async function principalsOf(
  values: Values,
  user: string,
  key: PublicKey,
): Promise<readonly string[] | null> {
  const { certificate } = key;
  const file = textOf(values, "AuthorizedPrincipalsFile");
  const command = wordsOf(values, "AuthorizedPrincipalsCommand");
  const lines = (text: string) =>
    text.split("\n").map((line) => line.trim()).filter((line) => /^[^#]/.test(line));
  if (command.length > 0 && certificate !== null) {
    const { authority } = certificate;
    return lines(
      await outputOf(command, {
        u: user,
        t: key.type,
        T: authority.type,
        i: certificate.keyId,
        s: `${certificate.serial}`,
        F: authority.fingerprint(),
        f: key.fingerprint(),
        k: base64Of(key),
        K: base64Of(authority),
      }),
    );
  }
  if (file === undefined || file === "none") return null;
  return lines(await readIfThere(inHome(expand(file, { u: user }))));
}

async function authoritiesOf(values: Values): Promise<PublicKey[]> {
  const file = textOf(values, "TrustedUserCAKeys");
  if (file === undefined || file === "none") return [];
  const lines = (await readIfThere(file)).split("\n");
  return lines.filter((line) => /^[^#\s]/.test(line)).map((line) => importPublicKey(line));
}

async function outputOf(
  command: readonly string[],
  tokens: Readonly<Record<string, string>>,
): Promise<string> {
  const [program, ...args] = command.map((word) => expand(word, tokens));
  const { success, stdout } = await new Deno.Command(program!, { args, stderr: "null" }).output();
  return success ? new TextDecoder().decode(stdout) : "";
}

function expand(text: string, tokens: Readonly<Record<string, string>>): string {
  const all: Readonly<Record<string, string>> = { "%": "%", h: homeFolder(), ...tokens };
  return text.replace(/%(.)/g, (token, letter) => all[letter] ?? token);
}

function base64Of(key: PublicKey): string {
  return `${key}`.split(" ")[1]!;
}

const homeFolder = () => Deno.env.get("HOME") ?? "/root";
const inHome = (path: string) => path.startsWith("/") ? path : `${homeFolder()}/${path}`;

function readIfThere(file: string): string {
  try {
    return Deno.readTextFileSync(file);
  } catch {
    return "";
  }
}

/** The tunnels that a user may open. */
export function forwardPolicy(valuesOf: ValuesOf): ForwardPolicy {
  const allows = (login: Login, isPath: boolean, direction: string) => {
    const values = valuesOf(login.user);
    if (isOn(values, "DisableForwarding", false)) return false;
    const name = isPath ? "AllowStreamLocalForwarding" : "AllowTcpForwarding";
    return ["yes", "all", direction].includes(textOf(values, name)?.toLowerCase() ?? "yes");
  };
  const list = (login: Login, name: string) => {
    const words = wordsOf(valuesOf(login.user), name);
    return words.length === 0 || words[0] === "any" ? null : words;
  };
  return {
    local: (to, login) => {
      const permitted = list(login, "PermitOpen");
      return allows(login, "path" in to, "local") &&
        ("path" in to || permitted === null || listsTarget(permitted, to));
    },
    remote: (on, login) => {
      const permitted = list(login, "PermitListen");
      return allows(login, "path" in on, "remote") &&
        ("path" in on || permitted === null || listsBind(permitted, on));
    },
    agent: ({ user }) => isOn(valuesOf(user), "AllowAgentForwarding", true),
    x11: ({ user }) => isOn(valuesOf(user), "X11Forwarding", false),
  };
}

/** Runs a user's command in the environment of a login. */
export async function runSession(session: Session, valuesOf: ValuesOf): Promise<void> {
  const { remoteAddr, login } = session;
  const user = withoutStyle(session.user);
  const values = valuesOf(user);
  const own: Record<string, string> = { USER: user, LOGNAME: user, SHELL: "/bin/sh" };
  if (remoteAddr === null) own.SSH_CONNECTION = "UNKNOWN 65535 UNKNOWN 65535";
  let told: string | null = null;
  if (isOn(values, "ExposeAuthInfo", false) && login.key) {
    told = await Deno.makeTempFile({ prefix: "sshauth" });
    await Deno.writeTextFile(told, `publickey ${login.key}\n`);
    own.SSH_USER_AUTH = told;
  }
  const accepted = wordsOf(values, "AcceptEnv");
  const isAccepted = (name: string) => accepted.some((each) => matchesWildcards(each, name));
  for (const name of Object.keys(session.env)) if (!isAccepted(name)) delete session.env[name];
  Object.assign(session.env, own);
  try {
    await systemShell({ cwd: homeFolder(), acceptEnv: () => true })(session);
  } finally {
    if (told !== null) await Deno.remove(told).catch(() => {});
  }
}
