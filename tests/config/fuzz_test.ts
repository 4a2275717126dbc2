/** Configurations by chance. DENOSSH_FUZZ is by how much more of them there are than usual. */
import { assert, assertEquals } from "@std/assert";
import { ConfigError } from "../../lib/errors.ts";
import { Config, type LocalSide } from "../../lib/config/mod.ts";
import { tempFolder } from "../support/temp.ts";
import { implausible, plausible } from "./generator.ts";
import { claimed, comparison, ours, theirs } from "./openssh.ts";

const FACTOR = Number(Deno.env.get("DENOSSH_FUZZ") ?? 1);

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

Deno.test("Whatever the text, a look-up gives settings or a ConfigError", async () => {
  let refused = 0;
  for (let seed = 1; seed <= 2000 * FACTOR; seed++) {
    const text = seed % 2 === 0 ? implausible(seed) : plausible(seed);
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

await comparison("Configurations by chance say the same to ssh and to us", async () => {
  await using folder = await tempFolder();
  for (let seed = 1; seed <= 60 * FACTOR; seed++) {
    const text = plausible(seed);
    const question = { file: await folder.write("config", text), host: "db1" };
    const [wanted, got] = await Promise.all([theirs(question), ours(question)]);
    assertEquals(claimed(got, []), claimed(wanted, []), `seed ${seed}: ${JSON.stringify(text)}`);
  }
});
