import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { CAT, WAIT, YES } from "../../support/commands.ts";
import type { Endpoint } from "../../support/endpoint.ts";
import { noise } from "../../support/random.ts";
import { run } from "../../support/run.ts";
import { tempFolder } from "../../support/temp.ts";
import { CLI, cli, clientArgs, cliSsh, startCli } from "../world.ts";

const RANDOM = noise(65521);
/** More than a window, of every byte value. */
const LARGE = new Uint8Array(3 * 1024 * 1024).map((_, i) => RANDOM[i % 65521]! ^ (i >> 16));

/** Cases of our `ssh` and commands with any server. */
export async function runsCommands(t: Deno.TestContext, server: Endpoint): Promise<void> {
  await t.step(
    "ssh passes on the command's standard output, standard error and exit code",
    async () => {
      const ran = await cliSsh(server, ["echo out; echo err >&2; exit 7"]);
      assertEquals([ran.text, ran.stderr, ran.code], ["out\n", "err\n", 7]);
    },
  );

  await t.step("the words of the command are joined with spaces", async () => {
    assertEquals((await cliSsh(server, ["echo", "a  b", "'c  d'"])).text, "a b c  d\n");
  });

  await t.step("bytes pass unchanged both ways, more than a window of them", async () => {
    const ran = await cliSsh(server, [CAT], { stdin: LARGE });
    assertEquals([ran.code, ran.stderr, ran.stdout.length], [0, "", LARGE.length]);
    assert(ran.stdout.every((byte, i) => byte === LARGE[i]), "The bytes differ");
  });

  await t.step("output of other programs to the same file or pipe is not overwritten", async () => {
    const [program, ...args] = [...CLI, ...clientArgs("ssh", server, ["echo middle"])];
    for (const ending of [`> "$FILE"; ${CAT} < "$FILE"`, `| ${CAT}`]) {
      await using folder = await tempFolder();
      const script = `{ echo first; "$@"; echo last; } ${ending}`;
      const env = { FILE: `${folder.path}/out` };
      const ran = await run("/bin/sh", ["-c", script, "sh", program!, ...args], { env });
      assertEquals(ran.text, "first\nmiddle\nlast\n", ran.stderr);
    }
  });

  await t.step("an input of 0 bytes is EOF", async () => {
    const ran = await cliSsh(server, ["read -r line; echo $?"], { stdin: "" });
    assertEquals(ran.text, "1\n");
  });

  await t.step("-n leaves standard input alone", async () => {
    const ran = await cliSsh(server, ["read -r line; echo $?"], { stdin: "x\n", flags: ["-n"] });
    assertEquals(ran.text, "1\n");
  });

  await t.step("a command may end without reading its input", async () => {
    const ran = await cliSsh(server, ["exit 3"], { stdin: LARGE });
    assertEquals([ran.code, ran.stderr], [3, ""]);
  });

  await t.step("a command ended by a signal is exit code 255", async () => {
    const ran = await cliSsh(server, ["kill -TERM $$"]);
    assertEquals([ran.code, ran.stderr], [255, ""]);
  });

  await t.step("without a command the shell reads standard input", async () => {
    const ran = await cliSsh(server, [], { stdin: "echo $((6*7))\nexit 4\n", flags: ["-T"] });
    assertEquals([ran.text, ran.code], ["42\n", 4]);
  });

  await t.step("flags may follow the host and be combined", async () => {
    const ran = await cli(clientArgs("ssh", server, ["-qTn", "--", "echo", "-v"]));
    assertEquals(ran.text, "-v\n");
  });

  await t.step("keys are exchanged again during the transfer", async () => {
    const ran = await cliSsh(server, [CAT], { stdin: LARGE, config: { RekeyLimit: "256K" } });
    assertEquals([ran.code, ran.stdout.length], [0, LARGE.length], ran.stderr);
  });

  await t.step("-v prints the negotiated algorithms", async () => {
    const config = { Ciphers: "aes256-gcm@openssh.com" };
    const { stderr } = await cliSsh(server, ["true"], { flags: ["-v"], config });
    assertStringIncludes(stderr, "kex: cipher: aes256-gcm@openssh.com MAC: <implicit>");
    assertStringIncludes(stderr, `Authenticated to 127.0.0.1 as ${server.user}.`);
  });

  await t.step("-vv prints each message", async () => {
    const { stderr } = await cliSsh(server, ["true"], { flags: ["-vv"] });
    assertStringIncludes(stderr, "sent CHANNEL_REQUEST recipient=0 type=exec wantReply=true");
  });

  await t.step("-c and -m select algorithms", async () => {
    const flags = ["-v", "-c", "aes128-ctr", "-m", "hmac-sha2-512-etm@openssh.com"];
    const { stderr } = await cliSsh(server, ["true"], { flags });
    assertStringIncludes(stderr, "cipher: aes128-ctr MAC: hmac-sha2-512-etm@openssh.com");
  });

  await t.step("a reader that closes early ends the command", async () => {
    const args = [...CLI, ...clientArgs("ssh", server, [YES])];
    const ran = await run("/bin/sh", [
      "-c",
      '"$@" | { read -r line; echo "$line"; }',
      "sh",
      ...args,
    ]);
    assertEquals([ran.text, ran.stderr, ran.code], ["y\n", "", 0]);
  });

  await t.step("-N runs nothing until a signal comes", async () => {
    await using idle = startCli(clientArgs("ssh", server, [], { flags: ["-Nv"] }));
    await idle.waitFor(/Entering interactive session/);
    idle.kill("SIGINT");
    assertEquals((await idle.status).code, 255);
  });

  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    await t.step(`${signal} ends a session, and the exit code is 255`, async () => {
      const command = `echo ready; ${WAIT}`;
      await using busy = startCli(clientArgs("ssh", server, [command], { flags: ["-n"] }));
      await busy.waitFor(/ready/);
      busy.kill(signal);
      assertEquals((await busy.status).code, 255);
    });
  }
}
