import { assertEquals } from "@std/assert";
import { tempFolder } from "../support/temp.ts";
import { cli } from "./world.ts";

Deno.test("ssh -G tells what is wrong with a file, and that it is not there", async () => {
  await using folder = await tempFolder();
  const config = await folder.write("config", "Prot 1\nHost x\n  Port 0\n");
  const { code, stderr } = await cli(["ssh", "-F", config, "-G", "db1"]);
  assertEquals([code, stderr], [
    255,
    `ssh: ${config}: line 1: Bad configuration option: prot; ${config} line 3: Bad port '0'.\n`,
  ]);
  const missing = await cli(["ssh", "-F", "/nonexistent", "-G", "db1"]);
  assertEquals(missing.code, 255);
});
