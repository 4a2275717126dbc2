import { assertEquals, assertStringIncludes } from "@std/assert";
import { cli } from "./world.ts";

const TOOLS = ["ssh", "sftp", "serve", "keygen"];

Deno.test("--help lists the tools, and --version prints the version of deno.json", async () => {
  const help = await cli(["--help"]);
  assertEquals([help.code, help.stderr], [0, ""]);
  for (const tool of TOOLS) assertStringIncludes(help.text, `\n  ${tool} `);
  const config = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  assertEquals((await cli(["--version"])).text, `denossh ${config.version}\n`);
});

for (const tool of TOOLS) {
  Deno.test(`${tool} --help prints its usage`, async () => {
    const ran = await cli([tool, "--help"]);
    assertEquals([ran.code, ran.stderr], [0, ""]);
    assertEquals(ran.text.startsWith(`usage: ${tool} `), true);
  });
}

for (const args of [[], ["nonsense"], ["toString"], ["-x"]]) {
  Deno.test(`The command line "${args.join(" ")}" prints the usage`, async () => {
    const ran = await cli(args);
    assertEquals([ran.code, ran.text], [2, ""]);
    assertStringIncludes(ran.stderr, "usage: denossh <tool>");
  });
}
