import { assertEquals } from "@std/assert";
import { readConfig } from "../../../lib/config/mod.ts";
import { ConfigError } from "../../../lib/errors.ts";
import { run } from "../../support/run.ts";
import { tempFolder } from "../../support/temp.ts";
import { comparison } from "./ssh_g.ts";

await comparison("Permissions of included files are judged as ssh judges them", async () => {
  await using folder = await tempFolder();
  const inner = await folder.write("inner", "Port 1\n");
  const outer = await folder.write("outer", `Include ${inner}\n`);
  for (const mode of [0o600, 0o644, 0o664, 0o660, 0o606, 0o622, 0o602, 0o444]) {
    await Deno.chmod(inner, mode);
    const { code } = await run("ssh", ["-F", outer, "-G", "x"]);
    const accepted = await readConfig(outer).then(() => true, (error) => {
      if (!(error instanceof ConfigError)) throw error;
      return false;
    });
    assertEquals(accepted, code === 0, mode.toString(8));
  }
});
