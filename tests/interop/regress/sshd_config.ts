/** The part of sshd_config(5) that OpenSSH's regress scripts use: first values, Match and Include. */
import { splitWords, takeWord } from "../../../lib/config/words.ts";
import { listsAddress } from "../../../lib/auth/address_list.ts";
import { globFiles } from "./glob_files.ts";
import { matchesPatternList } from "../../../lib/patterns.ts";

/** The data that Match tests; null if not yet known, which matches nothing. */
export interface Peer {
  readonly user: string | null;
  readonly host: string | null;
  readonly address: string | null;
  readonly localAddress: string | null;
  readonly localPort: string | null;
  readonly rdomain: string | null;
}

/** A connection whose user is not known yet. */
export const NOBODY: Peer = {
  user: null,
  host: null,
  address: null,
  localAddress: null,
  localPort: null,
  rdomain: null,
};

/** One directive, and the conditions of its Match line. */
interface Directive {
  readonly name: string;
  readonly words: readonly string[];
  readonly conditions: readonly (readonly string[])[];
}

/** Old names of directives. */
const ALIASES: Readonly<Record<string, string>> = {
  pubkeyacceptedkeytypes: "pubkeyacceptedalgorithms",
  hostbasedacceptedkeytypes: "hostbasedacceptedalgorithms",
  challengeresponseauthentication: "kbdinteractiveauthentication",
};

/** Directives that may be repeated. */
const REPEATED = [
  "acceptenv",
  "allowusers",
  "denyusers",
  "hostcertificate",
  "hostkey",
  "subsystem",
];

/** The values for one connection. */
export type Values = ReadonlyMap<string, readonly (readonly string[])[]>;

/** A configuration file and the `-o` options before it. */
export class SshdConfig {
  readonly #directives: readonly Directive[];

  private constructor(directives: readonly Directive[]) {
    this.#directives = directives;
  }

  /** @throws {Error} If a line is malformed, or a file that is not included by a pattern is missing */
  static async read(file: string | null, options: readonly string[]): Promise<SshdConfig> {
    const directives: Directive[] = [];
    for (const option of options) await collect(directives, option, []);
    if (file !== null) await collect(directives, await Deno.readTextFile(file), []);
    return new SshdConfig(directives);
  }

  /** All values of a directive under any Match. */
  all(name: string): string[] {
    return this.#directives.filter((directive) => directive.name === name.toLowerCase())
      .map(({ words }) => words.join(" "));
  }

  /** The values for a connection: the first one of most directives, and those under Match before others. */
  for(peer: Peer): Values {
    const values = new Map<string, (readonly string[])[]>();
    const inMatch = ({ conditions }: Directive) => conditions.length > 0;
    const [special, general] = [true, false].map((wanted) =>
      this.#directives.filter((directive) => inMatch(directive) === wanted)
    );
    for (const { name, words, conditions } of [...special!, ...general!]) {
      if (!conditions.every((condition) => matches(condition, peer))) continue;
      const held = values.get(name);
      if (held === undefined) values.set(name, [words]);
      else if (REPEATED.includes(name)) held.push(words);
    }
    return values;
  }
}

async function collect(
  into: Directive[],
  text: string,
  outer: readonly (readonly string[])[],
): Promise<void> {
  let conditions = outer;
  for (const line of text.split("\n")) {
    const { word = "", rest = "" } = takeWord(line.trim()) ?? {};
    if (word === "" || word.startsWith("#")) continue;
    const words = splitWords(rest);
    if (words === null || words.length === 0) throw new Error(`Malformed line: ${line}`);
    const name = ALIASES[word.toLowerCase()] ?? word.toLowerCase();
    if (name === "match") conditions = [...outer, words];
    else if (name === "include") {
      for (const pattern of words) {
        for (const file of await globFiles(pattern)) {
          await collect(into, await Deno.readTextFile(file), conditions);
        }
      }
    } else into.push({ name, words, conditions });
  }
}

function matches(condition: readonly string[], peer: Peer): boolean {
  if (condition[0]?.toLowerCase() === "all") return true;
  for (let at = 0; at < condition.length; at += 2) {
    const list = condition[at + 1] ?? "";
    const word = (value: string | null) => value !== null && matchesPatternList(list, value);
    const address = (value: string | null) => value !== null && listsAddress(list, value);
    const known: Readonly<Record<string, boolean>> = {
      user: word(peer.user),
      host: word(peer.host),
      address: address(peer.address),
      localaddress: address(peer.localAddress),
      localport: peer.localPort === list,
      rdomain: word(peer.rdomain),
    };
    const name = condition[at]!.toLowerCase();
    if (!Object.hasOwn(known, name)) throw new Error(`Unsupported Match attribute ${name}`);
    if (!known[name]) return false;
  }
  return true;
}
