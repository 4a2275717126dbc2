/** What OpenSSH's own `ssh -G` makes of a configuration, and what we do. */
import { ConfigError } from "../../lib/errors.ts";
import { readConfig } from "../../lib/config/mod.ts";
import { findPeer } from "../interop/harness/peers.ts";
import { run } from "../support/run.ts";
import { databaseHome } from "../interop/harness/database_home.ts";

/**
 * What is not compared: GSSAPI, which we do not have, and the lists of algorithms to offer unless the file names
 * one in full, since we have others by default.
 */
const UNCLAIMED = /^gssapi/;
const LISTS = /^(ciphers|macs|kexalgorithms|hostkeyalgorithms) /;

/** The lines of `-G`, or that there are none since the file is refused. */
export type Verdict = readonly string[] | "refused";

/** A question to both. */
export interface Question {
  readonly file: string;
  readonly host: string;
  readonly options?: readonly string[];
  readonly user?: string;
}

/** OpenSSH's answer. */
export async function theirs({ file, host, options = [], user }: Question): Promise<Verdict> {
  const flags = [...options.flatMap((option) => ["-o", option]), ...user ? ["-l", user] : []];
  const { code, text } = await run("ssh", ["-F", file, "-G", ...flags, "--", host]);
  return code === 0 && text !== "" ? text.trimEnd().split("\n") : "refused";
}

/** Our answer. */
export async function ours({ file, host, options = [], user }: Question): Promise<Verdict> {
  try {
    const config = await readConfig(file);
    const text = await config.show(host, { options, ...user && { user } });
    return text.trimEnd().split("\n");
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return "refused";
  }
}

/** Both answers as far as they are compared; `explicit` are the lists that the file names in full. */
export function claimed(verdict: Verdict, explicit: readonly string[]): Verdict {
  if (verdict === "refused") return verdict;
  return verdict.filter((line) =>
    !UNCLAIMED.test(line) &&
    (!LISTS.test(line) || explicit.includes(line.split(" ", 1)[0]!))
  );
}

/**
 * Registers a test that compares with OpenSSH 9.2 as Debian builds it: other versions know other
 * directives. Where there is none, the test is ignored, and its name says so.
 */
export async function comparison(
  name: string,
  fn: (t: Deno.TestContext) => Promise<void>,
): Promise<void> {
  const path = await findPeer("ssh");
  const version = path === null ? "" : (await run(path, ["-V"])).stderr;
  const ignore = !/^OpenSSH_9\.2\S* Debian/.test(version);
  Deno.test({
    name: ignore ? `${name} (needs Debian's OpenSSH 9.2)` : name,
    ignore,
    fn: (t) => atHome(() => fn(t)),
  });
}

/** OpenSSH asks the user database where home is, whatever HOME says: here HOME says the same. */
async function atHome(fn: () => Promise<void>): Promise<void> {
  const before = Deno.env.get("HOME");
  Deno.env.set("HOME", await databaseHome());
  try {
    await fn();
  } finally {
    if (before === undefined) Deno.env.delete("HOME");
    else Deno.env.set("HOME", before);
  }
}
