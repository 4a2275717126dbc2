/** Configurations by chance. */
import { assert, assertEquals } from "@std/assert";
import { ConfigError } from "../../lib/errors.ts";
import { Config, type LocalSide } from "../../lib/config/mod.ts";
import { fuzzTest, LONG } from "../support/random.ts";
import { implausible, plausible } from "./generator.ts";

/** A side that nothing can happen to. */
const local: LocalSide = {
  home: () => "/home/ann",
  user: () => "ann",
  uid: () => "1000",
  hostname: () => "desk.example.com",
  env: (name) => name === "HOME" ? "/home/ann" : undefined,
  run: () => Promise.resolve(false),
  resolve: () => Promise.resolve(null),
};

fuzzTest("Whatever the text, a look-up gives settings or a ConfigError", async (random) => {
  let refused = 0;
  for (let round = 0; round < 2000 * LONG; round++) {
    const text = round % 2 === 0 ? implausible(random) : plausible(random);
    try {
      const config = Config.parse(text);
      const settings = await config.lookup("db1", { local });
      assertEquals(typeof settings.HostName, "string");
      assert((await config.show("db1", { local })).startsWith("host db1\n"));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw new Error(JSON.stringify(text), { cause: error });
      refused++;
    }
  }
  assert(refused > 0);
});
