/** The permissions of the runtime that a login by the user's own files needs: asked for together, by folder. */
import { grantedVariable } from "../runtime/environment.ts";
import { platformError } from "../runtime/errors.ts";
import { runtime } from "../runtime/runtime.ts";

/** What a connection takes from the user's surroundings, since it was not given in code. */
export interface LoginNeeds {
  /** The known hosts. */
  readonly hosts: boolean;
  /** The keys. */
  readonly keys: boolean;
  /** The user's name. */
  readonly user: boolean;
  /** Where the connection goes, `host:port`; null if that needs no permission of ours. */
  readonly address: string | null;
}

/** A permission that is missing. */
interface Missing {
  readonly flag: "env" | "read" | "net";
  readonly value: string;
  /** What to ask for; null if that comes later. */
  readonly ask: Deno.PermissionDescriptor | null;
}

const KEYS = ["id_rsa", "id_ecdsa", "id_ed25519"];

/**
 * Asks for what is missing, at most once each: folders rather than every file in them.
 *
 * @throws {Deno.errors.NotCapable} If something is refused; it names all that is missing
 */
export async function requestPermissions(needs: LoginNeeds): Promise<void> {
  if (!needs.hosts && !needs.keys && !needs.user) return;
  const asked = new Set<string>();
  for (;;) {
    const missing = missingOf(needs);
    const next = missing.find(({ ask, value }) => ask !== null && !asked.has(value));
    if (next === undefined) return;
    asked.add(next.value);
    if (await runtime.requestPermission(next.ask!)) continue;
    throw platformError("NotCapable", messageOf(missing));
  }
}

function missingOf({ hosts, keys, user, address }: LoginNeeds): Missing[] {
  const missing: Missing[] = [];
  if (hosts || keys) missing.push(...variable("HOME"));
  const home = grantedVariable("HOME");
  // A configuration file that may be read can name the user.
  const configured = home !== undefined && isReadable(`${home}/.ssh`);
  if (user && !configured) missing.push(...variable("USER"));
  const files = [...hosts ? ["known_hosts"] : [], ...keys ? KEYS : []];
  if (home !== undefined) missing.push(...folder(`${home}/.ssh`, files));
  else if (missing.some(({ value }) => value === "HOME")) {
    missing.push({ flag: "read", value: "$HOME/.ssh", ask: null });
  }
  if (hosts) missing.push(...folder("/etc/ssh", ["ssh_known_hosts"]));
  if (address !== null && !mayConnect(address)) {
    missing.push({ flag: "net", value: address, ask: null });
  }
  return missing;
}

function variable(name: string): Missing[] {
  const ask = { name: "env", variable: name } as const;
  return runtime.isGranted(ask) ? [] : [{ flag: "env", value: name, ask }];
}

/** The folder, unless each of the files may be read already. */
function folder(path: string, names: readonly string[]): Missing[] {
  if (names.every((name) => isReadable(`${path}/${name}`))) return [];
  return [{ flag: "read", value: path, ask: { name: "read", path } }];
}

function isReadable(path: string): boolean {
  return runtime.isGranted({ name: "read", path });
}

/** The connection asks for it itself; a host may turn out to be an alias. */
function mayConnect(address: string): boolean {
  try {
    return runtime.isGranted({ name: "net", host: address });
  } catch {
    return true; // not what the runtime takes for an address: connecting tells
  }
}

function messageOf(missing: readonly Missing[]): string {
  const flags = (["env", "read", "net"] as const).flatMap((flag) => {
    const values = missing.filter((each) => each.flag === flag).map(({ value }) => value);
    return values.length === 0 ? [] : [`--allow-${flag}=${values.join(",")}`];
  });
  return `connect() needs permissions: run again with ${
    flags.join(" ")
  }. HOME and the folders are for ` +
    "known hosts and keys, USER is the user to log in as; with the options user, auth and hostKeys it " +
    "needs --allow-net alone";
}
