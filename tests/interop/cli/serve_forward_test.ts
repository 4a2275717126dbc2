import { assert, assertEquals, assertMatch } from "@std/assert";
import { echo } from "../../forward/world.ts";
import { runClient } from "../harness/openssh_clients.ts";
import { peerTest } from "../harness/peers.ts";
import { startXServer } from "../harness/x_server.ts";
import { startServe } from "../../cli/world.ts";
import { freePort } from "../../support/free_port.ts";

await peerTest(
  ["ssh"],
  "serve carries exactly the tunnels that its options allow",
  async () => {
    await using here = echo();
    const only = ["-o", "AllowTcpForwarding=local", "-o", `PermitOpen=${here.to}`];
    await using server = await startServe(only);
    const through = async (to: string) => {
      return await runClient("ssh", server, [], { flags: ["-W", to], stdin: "through" });
    };
    const ran = await through(here.to);
    assertEquals([ran.text, ran.code], ["through", 0], ran.stderr);
    assert((await through(`127.0.0.1:${freePort()}`)).code !== 0);
    await using bare = await startServe([]);
    const refused = await runClient("ssh", bare, [], { flags: ["-W", here.to] });
    assert(refused.code !== 0);
  },
);

await peerTest(
  ["ssh", "Xvfb", "xauth", "xdpyinfo"],
  "serve uses a client's display with X11Forwarding=yes",
  async () => {
    await using screen = await startXServer();
    await using server = await startServe(["--exec", "-o", "X11Forwarding=yes"]);
    const ran = await runClient("ssh", server, ["xdpyinfo"], { flags: ["-Y"], env: screen.env });
    assertEquals(ran.code, 0, ran.stderr);
    assertMatch(ran.text, /dimensions: +320x200/);
  },
);
