import { ConfigError } from "../errors.ts";
import type { LocalSide } from "./local_side.ts";

/**
 * The machine and the user that the program runs on and as. What the files make it ask for needs
 * `--allow-env`, `--allow-sys=hostname,uid`, `--allow-run` and `--allow-net`; for the home directory of
 * somebody else, `--allow-read=/etc/passwd`.
 */
export const thisSide: LocalSide = {
  home(user) {
    if (user === undefined) return Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE");
    return accounts().find(([name]) => name === user)?.[5];
  },
  user() {
    const name = Deno.env.get("USER") ?? Deno.env.get("LOGNAME") ?? Deno.env.get("USERNAME") ??
      nameOf(Deno.uid());
    if (!name) throw new ConfigError(["The name of the user is not known: USER is not set"]);
    return name;
  },
  uid: () => `${Deno.uid() ?? ""}`,
  hostname: () => Deno.hostname(),
  env: (name) => Deno.env.get(name),
  async run(command) {
    const shell = Deno.build.os === "windows" ? "cmd" : Deno.env.get("SHELL") || "/bin/sh";
    const { success } = await new Deno.Command(shell, {
      args: [Deno.build.os === "windows" ? "/c" : "-c", command],
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).output();
    return success;
  },
  async resolve(name) {
    const { lookup } = await import("node:dns/promises");
    try {
      await lookup(name);
    } catch {
      return null;
    }
    return await aliasOf(name) ?? name;
  },
};

/** What the DNS says that a name is an alias of. */
async function aliasOf(name: string): Promise<string | null> {
  try {
    return (await Deno.resolveDns(name, "CNAME"))[0] ?? null;
  } catch {
    return null;
  }
}

function nameOf(uid: number | null): string | undefined {
  return uid === null ? undefined : accounts().find((fields) => fields[2] === `${uid}`)?.[0];
}

/** The lines of /etc/passwd, in fields. */
function accounts(): string[][] {
  try {
    return Deno.readTextFileSync("/etc/passwd").split("\n").map((line) => line.split(":"));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
