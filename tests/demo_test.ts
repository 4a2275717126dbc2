import { assertEquals, assertMatch } from "@std/assert";
import { configFlags } from "./support/ssh_flags.ts";
import { tempFolder } from "./support/temp.ts";
import { startServe } from "./cli/world.ts";
import { Program } from "./support/program.ts";
import { DEMO, demo, SHOWN } from "./support/demo.ts";

Deno.test("demo sends and fetches a file with its own server, and leaves no files", async () => {
  await using folder = await tempFolder();
  const ran = await demo(["--size", "8"], { env: { TMPDIR: folder.path } });
  assertEquals([ran.code, ran.stderr], [0, ""]);
  assertMatch(ran.text, SHOWN);
  assertMatch(ran.text, /mlkem768x25519-sha256\n/);
  assertMatch(ran.text, /sent .* SHA-256 equal\n/);
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

Deno.test("demo compares the fetched copy if no commands run", async () => {
  await using server = await startServe([]);
  const flags = configFlags(server).slice(2);
  const ran = await demo(["--size", "8", ...flags, `tester@127.0.0.1:${server.port}`]);
  assertEquals([ran.code, ran.stderr], [0, ""]);
  assertMatch(ran.text, SHOWN);
  assertMatch(ran.text, /sent .* SHA-256 is compared on the way back\n/);
  assertEquals([...Deno.readDirSync(server.root)], []);
});

Deno.test("demo cleans up when it is interrupted", async () => {
  await using folder = await tempFolder();
  await using server = await startServe([]);
  const flags = configFlags(server).slice(2);
  const target = `tester@127.0.0.1:${server.port}`;
  await using running = new Program(Deno.execPath(), {
    args: [...DEMO, "--size", "4096", ...flags, target],
    env: { TMPDIR: folder.path },
  });
  await running.waitFor(/\$ echo/);
  running.kill("SIGINT");
  assertEquals((await running.status).code, 130);
  assertEquals([...Deno.readDirSync(folder.path)], []);
  assertEquals([...Deno.readDirSync(server.root)], []);
});

for (
  const [args, message] of [
    [["--size", "0"], /^demo: --size needs a number of MiB; see demo --help\n$/],
    [["--size", "many"], /^demo: --size/],
    [["a", "b"], /^demo: unexpected argument "b"/],
    [["--nonsense"], /^demo: unknown option -- nonsense/],
    [["me@host:0"], /^demo: /],
  ] as const
) {
  Deno.test(`demo refuses ${args.join(" ")}`, async () => {
    const ran = await demo(args);
    assertEquals([ran.code, ran.text], [2, ""]);
    assertMatch(ran.stderr, message);
  });
}

Deno.test("demo fails in one line if the server cannot be reached", async () => {
  const ran = await demo(["-o", "BatchMode=yes", "me@127.0.0.1:1"]);
  assertEquals([ran.code, ran.text], [1, ""]);
  assertEquals(ran.stderr, "ssh: connect to host 127.0.0.1 port 1: Connection refused\n");
});

Deno.test("demo --help prints its usage", async () => {
  const ran = await demo(["--help"]);
  assertEquals([ran.code, ran.stderr], [0, ""]);
  assertMatch(ran.text, /^usage: demo \[--size MiB\]/);
});
