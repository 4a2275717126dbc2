/** Spans where Deno collects them, and nothing where it does not. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { run } from "./interop/run.ts";

const CONFIG = new URL("../deno.json", import.meta.url).pathname;
const PROGRAM = `
  import { connectedPair } from "@denossh/ssh/testing";
  import { localFiles } from "@denossh/ssh/server";
  const root = await Deno.makeTempDir();
  await using pair = await connectedPair({
    serve: { sftp: localFiles({ root }) },
    handler: () => 3,
  });
  await pair.host.command("S3CRET").output();
  await using sftp = await pair.host.sftp();
  await sftp.put(new TextEncoder().encode("S3CRET"), "/file");
  await sftp.get("/nowhere", root + "/copy").catch(() => {});
  await Deno.remove(root, { recursive: true });
  console.log("done");
`;

async function spansOf(env: Record<string, string>): Promise<string> {
  const args = ["run", "-A", "--no-check", "--config", CONFIG, "-"];
  const ran = await run(Deno.execPath(), args, { stdin: PROGRAM, env });
  assertEquals([ran.code, ran.text.trim().split("\n").at(-1)], [0, "done"], ran.stderr);
  return ran.stderr;
}

Deno.test("Where telemetry is on there is a span for what takes time, and no secret in it", async () => {
  const said = await spansOf({
    NO_COLOR: "1",
    OTEL_DENO: "true",
    OTEL_DENO_CONSOLE: "ignore",
    OTEL_EXPORTER_OTLP_PROTOCOL: "console",
  });
  for (const name of ["ssh.connect", "ssh.login", "ssh.exec", "sftp.put", "sftp.get"]) {
    assert(new RegExp(`SPAN ${name.replace(".", "\\.")} `).test(said), `No ${name} in ${said}`);
  }
  for (const fact of ["process.exit.code: 3", "sftp.bytes: 6", "error.type: SftpError"]) {
    assertStringIncludes(said, fact);
  }
  assert(!said.includes("S3CRET"), said);
});

Deno.test("Where telemetry is off nothing is said", async () => {
  assertEquals(await spansOf({}), "");
});
