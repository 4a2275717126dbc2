/**
 * Compares keygen's output and files with ssh-keygen's for the same command lines: `said.json`
 * contains the results of OpenSSH 9.2, recorded in UTC, and its folder the input files.
 */
import { assertEquals } from "@std/assert";
import { keygen } from "../../lib/cli/keygen/keygen.ts";
import { tempFolder } from "../support/temp.ts";
import { captured } from "./captured.ts";
import { COMMANDS, describe, normal } from "./cases/keygen.ts";

const SEED = new URL("keygen_said/", import.meta.url).pathname;
const SAID = "said.json";

interface Answer {
  readonly code: number;
  readonly text: string;
  readonly stderr: string;
  readonly files: Readonly<Record<string, string>>;
}

const recorded: Record<string, Answer> = JSON.parse(await Deno.readTextFile(SEED + SAID));

async function answer(args: readonly string[]): Promise<Answer> {
  await using folder = await tempFolder();
  for await (const { name } of Deno.readDir(SEED)) {
    if (name === SAID) continue;
    const text = await Deno.readTextFile(SEED + name);
    await Deno.copyFile(SEED + name, folder.join(name));
    await Deno.chmod(folder.join(name), text.includes("PRIVATE KEY") ? 0o600 : 0o644);
  }
  const given = args.map((arg) => arg.startsWith("@") ? folder.join(arg.slice(1)) : arg);
  const { code, text, stderr } = await captured(keygen, given);
  const plain = (output: string) =>
    normal(output.replaceAll(folder.path, "DIR"))
      .replace(/converted by \S+ from/, "converted by … from");
  return {
    code,
    text: plain(text),
    stderr: plain(stderr),
    files: await describe(folder, SEED),
  };
}

/** The times in ssh-keygen's output are in UTC. */
function inUtc(): Disposable {
  const zone = Deno.env.get("TZ");
  Deno.env.set("TZ", "UTC");
  return {
    [Symbol.dispose]: () => zone === undefined ? Deno.env.delete("TZ") : Deno.env.set("TZ", zone),
  };
}

for (const [name, args, loose] of COMMANDS) {
  const expected = recorded[name];
  if (expected === undefined) continue;
  Deno.test(`keygen works like ssh-keygen: ${name}`, async () => {
    using _zone = inUtc();
    const { stderr, ...rest } = await answer(args);
    assertEquals(rest, {
      code: loose && expected.code !== 0 ? rest.code : expected.code,
      text: expected.text,
      files: expected.files,
    });
    // In loose cases any text will do, but a failure must print something.
    if (!loose) assertEquals(stderr, expected.stderr);
    else assertEquals([rest.code !== 0, stderr !== ""], [expected.code !== 0, expected.code !== 0]);
  });
}
