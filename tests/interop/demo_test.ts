import { assertEquals, assertMatch } from "@std/assert";
import { configFlags } from "../support/ssh_flags.ts";
import { peerTest } from "./harness/peers.ts";
import { startSshd } from "./harness/sshd.ts";
import { tempFolder } from "../support/temp.ts";
import { type Ran, run, type RunOptions } from "../support/run.ts";

const DEMO = [
  "run",
  "-A",
  "--no-check",
  new URL("../../examples/demo/main.ts", import.meta.url).pathname,
];

/** Runs the demo to its end. */
function demo(args: readonly string[], options?: RunOptions): Promise<Ran> {
  return run(Deno.execPath(), [...DEMO, ...args], options);
}

const SHOWN = new RegExp(
  [
    "  server       .+",
    "  host key     ssh-ed25519 SHA256:\\S+",
    "  kex          \\S+",
    "  cipher       \\S+",
    "  \\$ echo hello +.+",
    "  sent         8 MiB +[\\d.]+ MB/s   SHA-256 .+",
    "  fetched      8 MiB +[\\d.]+ MB/s   SHA-256 equal",
  ].map((line) => `${line}\n`).join(""),
);

await peerTest(["sshd"], "demo works with a real server", async () => {
  await using folder = await tempFolder();
  await using server = await startSshd();
  const target = `${server.user}@127.0.0.1:${server.port}`;
  const flags = configFlags(server).slice(2); // without -F none
  const ran = await demo(["--size", "8", ...flags, target], {
    env: { TMPDIR: folder.path },
  });
  assertEquals([ran.code, ran.stderr], [0, ""]);
  assertMatch(ran.text, SHOWN);
  assertMatch(ran.text, /sent .* SHA-256 equal\n/);
  assertEquals([...Deno.readDirSync(folder.path)], []);
});
