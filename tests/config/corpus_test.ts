import { assert } from "@std/assert";
import { ConfigError } from "../../lib/errors.ts";
import { readConfig } from "../../lib/config/mod.ts";
import { tempFolder } from "../support/temp.ts";

const CORPUS = new URL("corpus/", import.meta.url);

/**
 * The prefix of the line with the arguments that tests/interop/config/corpus_test.ts passes to `ssh
 * -G`.
 */
const QUESTION = /^#\? /m;

Deno.test("Every configuration of the corpus gives settings or a ConfigError", async () => {
  await using folder = await tempFolder();
  for (const { name } of Deno.readDirSync(CORPUS)) {
    const text = await Deno.readTextFile(new URL(name, CORPUS));
    await folder.write(name, text.replaceAll("@HERE@", folder.path));
  }
  const seen = { settings: 0, refused: 0 };
  for (const { name } of Deno.readDirSync(CORPUS)) {
    if (!QUESTION.test(await Deno.readTextFile(folder.join(name)))) continue;
    try {
      await (await readConfig(folder.join(name))).show("db1");
      seen.settings++;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw new Error(name, { cause: error });
      seen.refused++;
    }
  }
  assert(seen.settings > 40 && seen.refused > 10, JSON.stringify(seen));
});
