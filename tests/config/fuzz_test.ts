/** Random configurations. */
import { assert } from "@std/assert";
import { mustSurvive } from "../corpus/corpus.ts";
import { fuzzTest, LONG } from "../support/random.ts";
import { implausible, plausible } from "./generator.ts";

fuzzTest("A look-up in any text gives settings or a ConfigError", async (random) => {
  let refused = 0;
  for (let round = 0; round < 2000 * LONG; round++) {
    const text = round % 2 === 0 ? implausible(random) : plausible(random);
    if (await mustSurvive("ssh_configs", text) === "ConfigError") refused++;
  }
  assert(refused > 0);
});
