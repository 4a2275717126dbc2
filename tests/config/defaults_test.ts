import { assertEquals } from "@std/assert";
import { Config, type LocalSide } from "../../lib/config/mod.ts";

const local: LocalSide = {
  home: () => "/home/ann",
  user: () => "ann",
  uid: () => "1000",
  hostname: () => "desk.example.com",
  env: () => undefined,
  run: () => Promise.resolve(false),
  resolve: () => Promise.resolve(null),
};

// tests/interop/config reports which defaults differ in the installed ssh.
Deno.test("Without a configuration every setting has the default of defaults.txt", async () => {
  const expected = await Deno.readTextFile(new URL("defaults.txt", import.meta.url));
  const shown = await Config.parse("").show("db1", { local });
  assertEquals(shown.trimEnd().split("\n"), expected.trimEnd().split("\n"));
});
