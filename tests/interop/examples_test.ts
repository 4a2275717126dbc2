import { assertEquals, assertMatch } from "@std/assert";
import type { Endpoint } from "../support/endpoint.ts";
import { peerTest } from "./harness/peers.ts";
import { type Ran, run } from "../support/run.ts";
import { startSshd } from "./harness/sshd.ts";
import { tempFolder } from "../support/temp.ts";
import { startXServer } from "./harness/x_server.ts";

const root = new URL("../..", import.meta.url);

/** A user's home folder, whose key the server lets in and whose known_hosts has it. */
interface World extends AsyncDisposable {
  readonly home: string;
  readonly target: string;
  readonly env: Record<string, string>;
}

async function homeFor(server: Endpoint): Promise<World> {
  const folder = await tempFolder();
  await Deno.mkdir(folder.join(".ssh"), { mode: 0o700 });
  await Deno.copyFile(server.identity!, folder.join(".ssh/id_ed25519"));
  await Deno.copyFile(server.knownHosts!, folder.join(".ssh/known_hosts"));
  return {
    home: folder.path,
    target: `${server.user}@${server.hostname}:${server.port}`,
    env: { HOME: folder.path, USER: server.user, SSH_AUTH_SOCK: "", NO_COLOR: "1" },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

function command(name: string, args: readonly string[]): string[] {
  return ["run", "-A", new URL(`examples/${name}`, root).pathname, ...args];
}

/** Runs an example to its end. */
async function example(
  name: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Ran> {
  const ran = await run(Deno.execPath(), command(name, args), { env });
  assertEquals(ran.code, 0, ran.stderr);
  return ran;
}

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
