/**
 * Logs in with `connect()` and with the tools' login, with the same settings, and reports the keys
 * that each offers. Run as a program, since the cases change HOME: reads them as JSON, and prints a
 * result for each.
 */
import { assertStringIncludes } from "@std/assert";
import { AuthError, connect } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { serve } from "@denossh/ssh/server";
import { Log } from "../../lib/cli/shared/log.ts";
import { logIn, placeOf } from "../../lib/cli/shared/login.ts";
import { sshOptions } from "../../lib/cli/shared/ssh_options.ts";
import { must } from "../support/run.ts";
import "../support/quick_refusals.ts";

/** A user's configuration. */
export interface Setup {
  readonly home: string;
  /** Lines of ~/.ssh/config. */
  readonly settings: readonly string[];
  /** The path of the agent's socket; empty without an agent. */
  readonly agent: string;
}

/** The offers to a server that refuses everything. */
export interface Offers {
  /** The keys as lines, in order. */
  readonly keys: readonly string[];
  /** The reports on the others: in the AuthError, and from the tool during the login. */
  readonly skipped: readonly string[];
}

/** The offers of both logins. */
export interface BothOffers {
  readonly connect: Offers;
  readonly tool: Offers;
}

/** Runs this file with the cases. */
export async function offersOf(setups: readonly Setup[]): Promise<BothOffers[]> {
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const { pathname } = new URL(import.meta.url);
  const flags = ["run", "-A", "--no-check", `--config=${config}`, pathname];
  const ran = await must(Deno.execPath(), flags, { stdin: JSON.stringify(setups) });
  return JSON.parse(ran.text);
}

async function both({ home, settings, agent }: Setup): Promise<BothOffers> {
  Deno.env.set("HOME", home);
  Deno.env.set("SSH_AUTH_SOCK", agent);
  const hostKey = await generateKey();
  let keys: string[] = [];
  await using server = serve({
    port: 0,
    hostname: "127.0.0.1",
    hostKeys: [hostKey],
    maxAuthTries: 100,
    auth: {
      publicKey: (_user, key) => {
        keys.push(`${key.type} ${key.fingerprint()}`);
        return false;
      },
    },
  });
  const { port } = server.addr as Deno.NetAddr;
  const known = `${home}/.ssh/known_hosts`;
  await Deno.writeTextFile(known, `[127.0.0.1]:${port} ${hostKey.publicKey}\n`);
  const file = `${home}/.ssh/config`;
  const more = ["HostName 127.0.0.1", `Port ${port}`, "User me", "BatchMode yes"];
  await Deno.writeTextFile(file, [...settings, ...more].join("\n"));
  const log = new SkippedKeyLog();
  const offers = async (login: () => Promise<AsyncDisposable>): Promise<Offers> => {
    keys = [];
    const error = await login().then(() => null, (error) => error);
    if (!(error instanceof AuthError)) throw error ?? new Error("The login succeeded");
    for (const text of error.skippedKeys) assertStringIncludes(error.message, text);
    return { keys, skipped: [...log.lines, ...error.skippedKeys] };
  };
  return {
    connect: await offers(() => connect("host", { config: file })),
    tool: await offers(async () => {
      const target = { hostname: "host", user: null, port: null };
      const options = await sshOptions([], { target, file });
      return await logIn(placeOf(target, options), options, log);
    }),
  };
}

/** Records a tool's reports on unused keys. */
class SkippedKeyLog extends Log {
  readonly lines: string[] = [];

  override error(line: string): void {
    this.lines.push(line);
  }

  override info(line: string): void {
    this.lines.push(line);
  }

  override verbose(line: string): void {
    if (/^(Key ".*" was not used|Cannot use the agent): /.test(line)) this.lines.push(line);
  }
}

if (import.meta.main) {
  const setups: Setup[] = await new Response(Deno.stdin.readable).json();
  const answers: BothOffers[] = [];
  for (const setup of setups) answers.push(await both(setup));
  console.log(JSON.stringify(answers));
}
