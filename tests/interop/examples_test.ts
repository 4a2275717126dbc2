import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { generateKey } from "@denossh/ssh/keys";
import { example, homeFor, startExample } from "../support/example.ts";
import { run } from "../support/run.ts";
import { tempFolder } from "../support/temp.ts";
import { peerTest } from "./harness/peers.ts";
import { startSshd } from "./harness/sshd.ts";
import { startXServer } from "./harness/x_server.ts";

await peerTest(["sshd"], "The example of a terminal runs", async () => {
  await using server = await startSshd();
  await using world = await homeFor(server);
  const { text } = await example("channel_terminal.ts", [world.target], world.env);
  assertEquals(text, "30 90\n50 132\nexit status 3\n");
});

await peerTest(["sshd", "Xvfb", "xauth", "xdpyinfo"], "The example of X11 runs", async () => {
  await using screen = await startXServer();
  await using server = await startSshd({ config: { X11Forwarding: "yes" } });
  await using world = await homeFor(server);
  const ran = await example("x11_forward.ts", [world.target], { ...world.env, ...screen.env });
  assertMatch(ran.text, /cookie is [0-9a-f]{32}\n[^]*dimensions: +320x200/);
});

await peerTest(["git", "ssh"], "The example of a git server runs", async () => {
  await using folder = await tempFolder();
  using key = await generateKey();
  await Deno.mkdir(folder.join("keys"));
  for (const user of ["ann", "bob-ro"]) await folder.write(`keys/${user}`, `${key.publicKey}\n`);
  const identity = await folder.write("id", key.export(), 0o600);
  const args = [folder.join("repositories"), folder.join("keys"), "0", folder.join("host_key")];
  await using server = startExample("git_server.ts", args);
  const [, port] = await server.waitFor(/Listening on port (\d+)/);
  const env = {
    HOME: folder.path,
    GIT_SSH_COMMAND: `ssh -F none -i ${identity} -o IdentitiesOnly=yes ` +
      "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
  };
  const git = (...words: string[]) => run("git", words, { env, cwd: folder.path });
  const url = (user: string, name: string) => `ssh://${user}@127.0.0.1:${port}/${name}`;
  const commit = [
    "-c",
    "user.name=ann",
    "-c",
    "user.email=ann@localhost",
    "commit",
    "-qam",
    "first",
  ];
  await folder.write("notes.txt", "remember\n".repeat(100_000));
  for (const words of [["init", "-qb", "main", "."], ["add", "notes.txt"], commit]) {
    assertEquals((await git(...words)).code, 0);
  }
  const pushed = await git("push", url("ann", "notes.git"), "main");
  assertEquals(pushed.code, 0, `${pushed.stderr} ${server.log}`);
  const cloned = await git("clone", "-qb", "main", url("bob-ro", "notes.git"), "clone");
  assertEquals(cloned.code, 0, cloned.stderr);
  assertEquals(
    await Deno.readTextFile(folder.join("clone/notes.txt")),
    "remember\n".repeat(100_000),
  );
  for (
    const [user, name, why] of [["bob-ro", "notes.git", "may not push"], ["ann", "../id", "a name"]]
  ) {
    const refused = await git("push", url(user!, name!), "main");
    assertEquals(refused.code, 128);
    assertStringIncludes(refused.stderr, why!);
  }
  assertEquals((await git("clone", url("ann", "none.git"))).code, 128);
});
