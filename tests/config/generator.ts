/** Generates random configurations. */
import { Arguments } from "../../lib/config/arguments.ts";
import type { Directive } from "../../lib/config/directive.ts";
import { DIRECTIVES } from "../../lib/config/directives.ts";
import { ALIASES, WITHOUT_EFFECT } from "../../lib/config/ignored_keywords.ts";
import type { Random } from "../support/random.ts";

/**
 * Left out: ssh 9.2 applies the first two even in blocks for other hosts, refuses the next without a
 * command, looks for the agent's socket for the fourth, queries the DNS for the next two, and lacks
 * Tag. IPQoS has no effect here, and only its usual spellings of numbers are read.
 */
const QUIRKS = [
  "StreamLocalBindMask",
  "SyslogFacility",
  "ForkAfterAuthentication",
  "ExitOnForwardFailure",
  "CanonicalDomains",
  "CanonicalizePermittedCNAMEs",
  "Tag",
  "IPQoS",
];

const KEYWORDS = [
  ...Object.keys(DIRECTIVES).filter((name) => !QUIRKS.includes(name)),
  ...Object.keys(ALIASES),
  ...Object.keys(WITHOUT_EFFECT),
  "NoSuchThing",
];
const COMMON = [
  "Host",
  "Match",
  "HostName",
  "User",
  "Port",
  "IdentityFile",
  "ProxyJump",
  "SendEnv",
];
const VALUES = [
  ..."yes no true false ask auto none any force always accept-new off confirm default".split(" "),
  ..."0 1 22 65535 65536 -1 +7 007 1h 90s 1w2d 5x 1G 512K 1.5M".split(" "),
  ..."host db1 DB1 *.example.com !db1 * ? web,db* a@b u@h:22 ssh://u@h:33 [::1]:22 ::1".split(" "),
  ..."127.1 10.0.0.1 %h %h.example.com %% %p %r %q ${HOME} ~/x ~/.ssh/%r@%h /a/b".split(" "),
  ..."8080 localhost:80 *:81 [::1]:82 /tmp/s host:99999 a:b:c:d".split(" "),
  ..."LANG LC_* -LC_* A=b A= =b ssh-ed25519 rsa-sha2-512 +ssh-rsa aes128-ctr -*".split(" "),
  ...`"a b" 'a b' a\\ b "a\\"b" "" '' "open 'open #x a#b "#x" a=b = == ^a ^[ \\`.split(" "),
  ..."INFO DEBUG3 QUIET lowdelay ef 127.0.0.0/8 ::1/128 10.0.0.1/8 point-to-point subsystem inet6 md5 pam"
    .split(" "),
];
const CRITERIA = ("host originalhost user localuser all final canonical !host !user labelled " +
  "tagged localnetwork version sessiontype !command host=db1 user= sessiontype=shell").split(" ");

/** A plausible configuration. */
export function plausible(roll: Random): string {
  const one = (of: readonly string[]) => of[roll(of.length)]!;
  const lines = Array.from({ length: 1 + roll(8) }, () => {
    const keyword = roll(3) === 0 ? one(COMMON) : one(KEYWORDS);
    const between = one([" ", " ", " ", "=", " = ", "\t", "  "]);
    const words = keyword === "Match"
      ? Array.from({ length: 1 + roll(2) }, () => `${one(CRITERIA)} ${one(VALUES)}`)
      : argumentsFor(keyword, roll);
    const cased = roll(4) === 0 ? keyword.toUpperCase() : keyword;
    return `${one(["", "", "  ", "\t"])}${cased}${between}${words.join(" ")}${
      one(["", "", "\r", " # x"])
    }`;
  });
  return lines.join("\n") + one(["", "\n"]);
}

/** Mostly valid arguments: otherwise every configuration would stop at its first mistake. */
function argumentsFor(keyword: string, roll: Random): string[] {
  if (keyword in WITHOUT_EFFECT) return ["yes"]; // their values are not read, not even their quotes
  const row = DIRECTIVES[keyword as keyof typeof DIRECTIVES] as Directive<unknown> | undefined;
  const choose = () =>
    Array.from({ length: roll(8) === 0 ? 2 : 1 }, () => VALUES[roll(VALUES.length)]!);
  let words = choose();
  if (row === undefined || roll(30) === 0) return words;
  for (let tries = 40; tries > 0 && !isFine(row, words.join(" ")); tries--) words = choose();
  return words;
}

function isFine(row: Directive<unknown>, text: string): boolean {
  try {
    const args = new Arguments(text);
    row.read(args);
    args.end("x");
    return true;
  } catch {
    return false;
  }
}

/** Random text with some keywords. */
export function implausible(roll: Random): string {
  const bytes = Uint8Array.from({ length: 1 + roll(400) }, () => roll(256));
  const text = new TextDecoder("latin1").decode(bytes);
  const cut = roll(text.length);
  return `${text.slice(0, cut)}\n${KEYWORDS[roll(KEYWORDS.length)]} ${text.slice(cut)}\n`;
}
