import { assertEquals, assertMatch } from "@std/assert";
import { example, homeFor } from "../support/example.ts";
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
