/**
 * Our answers to the questions of `corpus/`. `answers.txt` records them; `deno run -A
 * tests/config/answers.ts` writes it anew. That they are also the answers of `ssh -G` is tested in
 * tests/interop/config, where `ssh` is installed.
 */
import { Config, type LocalSide, readConfig } from "../../lib/config/mod.ts";
import { plainMessage } from "../../lib/error_messages.ts";
import { ConfigError } from "../../lib/errors.ts";
import { fakeEnv } from "../support/fake_env.ts";
import { CONFIGURATIONS, corpusFolder, type Question, questionsOf } from "./questions.ts";

const RECORD = new URL("answers.txt", import.meta.url);

const local: LocalSide = {
  home: () => "/home/ann",
  user: () => "ann",
  uid: () => "1000",
  hostname: () => "desk.example.com",
  env: (name) => name === "HOME" ? "/home/ann" : undefined,
  addresses: () => ["127.0.0.1", "::1"],
  // The commands of the corpus that succeed compare two equal words.
  run: (command) => Promise.resolve(/^test ('?)(\S+)\1 = \1\2\1$/.test(command)),
  resolve: () => Promise.resolve(null),
};

/** The answers to each configuration, by its name. */
export async function answers(): Promise<Map<string, string>> {
  await using folder = await corpusFolder();
  using _env = fakeEnv({ HOME: folder.path });
  const found = new Map<string, string>();
  for (const name of CONFIGURATIONS) {
    const file = folder.join(name);
    const lines: string[] = [];
    for (const question of questionsOf(file, await Deno.readTextFile(file))) {
      const { host, options = [], user = "" } = question;
      lines.push(`? ${[user, ...options, host].filter((word) => word !== "").join(" ")}`);
      lines.push(...await answerTo(question));
    }
    found.set(name, lines.join("\n").replaceAll(folder.path, "@HERE@"));
  }
  return found;
}

/** The recorded answers to each configuration. */
export async function recordedAnswers(): Promise<Map<string, string>> {
  const blocks = (await Deno.readTextFile(RECORD)).trimEnd().split("\n\n");
  return new Map(blocks.map((block) => {
    const [name, ...lines] = block.split("\n");
    return [name!, lines.join("\n")];
  }));
}

/** The settings that differ from the defaults, or the mistakes, a line each. */
async function answerTo({ file, host, options, user }: Question): Promise<string[]> {
  const usual = linesOf(await Config.parse("").show(host, { local }));
  try {
    const config = await readConfig(file);
    const lines = linesOf(
      await config.show(host, { local, ...options && { options }, ...user && { user } }),
    );
    return keywordsOf([...usual, ...lines]).flatMap((keyword) => {
      const [before, now] = [usual, lines].map((all) => all.filter((line) => isOf(line, keyword)));
      if (before!.join("\n") === now!.join("\n")) return [];
      return now!.length > 0 ? now!.map((line) => `+ ${line}`) : [`- ${keyword}`];
    });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return linesOf(plainMessage(error)).map((line) => `! ${line}`);
  }
}

function keywordsOf(lines: readonly string[]): string[] {
  return [...new Set(lines.map((line) => line.split(" ", 1)[0]!))];
}

function isOf(line: string, keyword: string): boolean {
  return line === keyword || line.startsWith(`${keyword} `);
}

function linesOf(text: string): string[] {
  return text.trimEnd().split("\n");
}

if (import.meta.main) {
  const blocks = [...await answers()].map(([name, text]) => `${name}\n${text}`.trimEnd());
  await Deno.writeTextFile(RECORD, `${blocks.join("\n\n")}\n`);
}
