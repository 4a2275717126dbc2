/** The answers of OpenSSH's own `ssh -G` to a configuration, and ours. */
import { ConfigError } from "../../../lib/errors.ts";
import { readConfig } from "../../../lib/config/mod.ts";
import type { Question } from "../../config/questions.ts";
import { run } from "../../support/run.ts";
import { tempFolder } from "../../support/temp.ts";
import { control } from "../harness/control.ts";
import { databaseHome } from "../harness/database_home.ts";
import { findPeer, peerTest } from "../harness/peers.ts";

/** Not compared: GSSAPI, which we lack, and lists of algorithms unless the file sets one in full. */
const UNCLAIMED = /^gssapi/;
const LISTS = /^(ciphers|macs|kexalgorithms|hostkeyalgorithms) /;

/** Behaviour that changed between patch levels of `ssh`: a probe finds out which one is installed. */
const DIFFERENCES = [{
  step: "ProxyCommand counts after ProxyJump none",
  concerns: /^\s*proxyjump[\s="]+none/im,
  config: "ProxyJump none\nProxyCommand nc %h %p\n",
  line: "proxycommand nc %h %p\n",
}, {
  step: "Match has words as every directive has",
  concerns: /^\s*match\b((?:[^"\n]|"[^"\n]*")*['\\=]|[^\n]*""[^\n]*#)/im,
  config: 'Match all "" # x\n  Port 77\n',
  line: "port 77\n",
}, {
  step: "ProxyJump is the line up to a comment",
  concerns: /^\s*proxyjump[\s="]+\S+[ \t]+[^#\s]/im,
  config: "ProxyJump a b\n",
  line: "proxyjump a b\n",
}, {
  step: "SendEnv and its like may name nothing",
  concerns: /^\s*(sendenv|setenv|canonical\w+)[\s="]*#/im,
  config: "SendEnv # x\n",
  line: "host x\n",
}, {
  step: "BatchMode brings Debian's ServerAliveInterval",
  concerns: /batchmode[\s="]+(yes|true)|everything/i,
  config: "BatchMode yes\n",
  line: "serveraliveinterval 300\n",
}, {
  step: "A time may have a sign",
  concerns: /[\s="]\+\d/,
  config: "ConnectTimeout +7\n",
  line: "connecttimeout 7\n",
}, {
  step: "Patterns of algorithms match ML-DSA",
  concerns: /(algorithms|keytypes)[\s="]+[+^]?[^\n-]*[*?]/i,
  config: "CASignatureAlgorithms *\n",
  line: "ssh-mldsa44-ed25519@openssh.com",
}, {
  step: "IPQoS takes hexadecimal numbers",
  concerns: /ipqos[^\n]*0x/i,
  config: "IPQoS 0x88\n",
  line: "ipqos af41 af41\n",
}, {
  step: "User takes tokens",
  concerns: /^\s*user\b[^\n]*[%$]/im,
  config: "User a%%b\n",
  line: "user a%b\n",
}, {
  step: "SetEnv takes tokens",
  concerns: /^\s*setenv\b[^\n]*[%$]/im,
  config: "SetEnv A=%%\n",
  line: "setenv A=%\n",
}, {
  step: "RevokedHostKeys takes several files and tokens",
  concerns: /^\s*revokedhostkeys[\s="]+[^\n]*[ %~$]/im,
  config: "RevokedHostKeys /a /%%\n",
  line: "revokedhostkeys /a /%\n",
}, {
  step: "The jump host is a token",
  concerns: /%j|proxyjump.*%C|%C.*proxyjump/is,
  config: "ProxyJump a\nControlPath /%j\n",
  line: "controlpath /a\n",
}];

/** Equivalent names: OpenSSH's for Debian's SILENT, and the output of 10.5 after `-C`. */
const SYNONYMS: Readonly<Record<string, string>> = {
  "loglevel QUIET": "loglevel SILENT",
  "compression UNKNOWN": "compression yes",
};

/** Criteria of Match that OpenSSH 9.2 lacks. */
const RECENT_CRITERIA = ["tagged", "localnetwork", "version", "sessiontype", "command"];

/** The lines of `-G`, or that there are none since the file is refused. */
export type Verdict = readonly string[] | "refused";

/** OpenSSH's answer; null if this `ssh` does not know a directive of the file that we know. */
export async function theirs(
  { file, host, options = [], user }: Question,
): Promise<Verdict | null> {
  const flags = [...options.flatMap((option) => ["-o", option]), ...user ? ["-l", user] : []];
  const { code, text, stderr } = await run("ssh", ["-F", file, "-G", ...flags, "--", host]);
  if (code === 0 && text !== "") return text.trimEnd().split("\n");
  for (const [, keyword] of stderr.matchAll(/Bad configuration option: (\S+)/g)) {
    if (await isKnownToUs(keyword!)) return null;
  }
  for (const [, criterion] of stderr.matchAll(/Unsupported Match attribute (\w+)/g)) {
    if (RECENT_CRITERIA.includes(criterion!)) return null;
  }
  return "refused";
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

/** The compared parts of both answers; `explicit` are the lists that the file sets in full. */
export function claimed(verdict: Verdict, explicit: readonly string[]): Verdict {
  if (verdict === "refused") return verdict;
  // Releases of OpenSSH print the keywords in different orders.
  return verdict.map((line) => SYNONYMS[line] ?? line).filter((line) =>
    !UNCLAIMED.test(line) && !otherDefaults.has(keywordOf(line)) &&
    (!LISTS.test(line) || explicit.includes(keywordOf(line)))
  ).sort((a, b) => Number(keywordOf(a) > keywordOf(b)) - Number(keywordOf(a) < keywordOf(b)));
}

/** Why this `ssh` cannot be compared for a configuration: a control shows different behaviour. */
export async function reasonToSkip(text: string): Promise<string | null> {
  for (const { step, concerns, config, line } of DIFFERENCES) {
    if (!concerns.test(text)) continue;
    const reason = await control("ssh", step, async () => {
      await using folder = await tempFolder();
      const file = await folder.write("config", config);
      const { text } = await run("ssh", ["-F", file, "-G", "x"]);
      if (!text.includes(line)) throw new Error(`ssh -G does not print ${line.trim()}`);
    });
    if (reason !== null) return reason;
  }
  return null;
}

/** Registers a test that compares with any version of the installed `ssh`. */
export async function comparison(
  name: string,
  fn: (t: Deno.TestContext) => Promise<void>,
): Promise<void> {
  await peerTest(["ssh"], name, (t) => atHome(() => fn(t)));
}

/** The directives that the installed `ssh` lacks or gives another default. */
const otherDefaults = await findPeer("ssh") === null
  ? new Set<string>()
  : await atHome(findOtherDefaults);

async function findOtherDefaults(): Promise<Set<string>> {
  const question = { file: "/dev/null", host: "x" };
  const [wanted, got] = await Promise.all([theirs(question), ours(question)]);
  const differing = new Set<string>();
  if (wanted === null || wanted === "refused" || got === "refused") return differing;
  const differs = (line: string) => !LISTS.test(line) && !UNCLAIMED.test(line);
  const lines = [
    ...wanted.filter((line) => !got.includes(line)),
    ...got.filter((line) => !wanted.includes(line)),
  ];
  for (const keyword of new Set(lines.filter(differs).map(keywordOf))) {
    const shown = (answer: readonly string[]) =>
      answer.filter((line) => keywordOf(line) === keyword).join(", ") || "nothing";
    await control("ssh", `the default of ${keyword}`, () => {
      throw new Error(`ssh -G prints ${shown(wanted)}; ours prints ${shown(got)}`);
    });
    differing.add(keyword);
  }
  return differing;
}

async function isKnownToUs(keyword: string): Promise<boolean> {
  await using folder = await tempFolder();
  const file = await folder.write("config", `${keyword}\n`);
  const error = await readConfig(file).catch((error) => error);
  return !(error instanceof ConfigError && error.message.includes("Bad configuration option"));
}

function keywordOf(line: string): string {
  return line.split(" ", 1)[0]!;
}

/** OpenSSH takes the home folder from the user database and ignores HOME, so HOME is set to the same. */
async function atHome<T>(fn: () => Promise<T>): Promise<T> {
  const before = Deno.env.get("HOME");
  Deno.env.set("HOME", await databaseHome());
  try {
    return await fn();
  } finally {
    if (before === undefined) Deno.env.delete("HOME");
    else Deno.env.set("HOME", before);
  }
}
