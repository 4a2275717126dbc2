/** Requests the permissions that a login with the user's files needs: together, by folder. */
import { grantedVariable } from "../runtime/environment.ts";
import { platformError } from "../runtime/errors.ts";
import { runtime } from "../runtime/runtime.ts";

/** The parts that a connection takes from the user's files, because the options do not give them. */
export interface LoginNeeds {
  /** The known hosts. */
  readonly hosts: boolean;
  /** The keys. */
  readonly keys: boolean;
  /** The user's name. */
  readonly user: boolean;
  /** The target, `host:port`; null if no permission is needed for it. */
  readonly address: string | null;
}

/** A permission that is missing. */
interface Missing {
  readonly flag: "env" | "read" | "net";
  readonly value: string;
  /** The permission to request; null if it is requested later. */
  readonly ask: Deno.PermissionDescriptor | null;
}

const KEYS = ["id_rsa", "id_ecdsa", "id_ed25519"];

/**
 * Requests the missing permissions, at most once each: folders rather than single files.
 *
 * @throws {Deno.errors.NotCapable} If one is refused; the error names all missing ones
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

/** The folder, unless all of the files may be read already. */
function folder(path: string, names: readonly string[]): Missing[] {
  if (names.every((name) => isReadable(`${path}/${name}`))) return [];
  return [{ flag: "read", value: path, ask: { name: "read", path } }];
}

function isReadable(path: string): boolean {
  return runtime.isGranted({ name: "read", path });
}

/** The connection requests it itself, since the host may be an alias. */
function mayConnect(address: string): boolean {
  try {
    return runtime.isGranted({ name: "net", host: address });
  } catch {
    return true; // not an address for the runtime: connecting will report it
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
