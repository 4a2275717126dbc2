/** X11 with real X servers, X clients, and OpenSSH in either role. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { RequestDeniedError } from "@denossh/ssh";
import { findAuthority } from "../../lib/forward/x11_authority.ts";
import { joinDisplay, parseDisplay } from "../../lib/forward/x11_display.ts";
import { cliSsh } from "../cli/world.ts";
import { runClient } from "./harness/openssh_clients.ts";
import { connectTo, startOurs } from "./harness/ours.ts";
import { peerTest } from "./harness/peers.ts";
import { run } from "../support/run.ts";
import { startSshd } from "./harness/sshd.ts";
import { startXServer } from "./harness/x_server.ts";

const X11 = ["Xvfb", "xauth", "xdpyinfo"] as const;

await peerTest(
  ["sshd", ...X11],
  "An X client on OpenSSH's server uses the local display",
  async (t) => {
    await using screen = await startXServer();
    await using server = await startSshd({ config: { X11Forwarding: "yes", MaxSessions: 50 } });
    await using host = await connectTo(server);
    const authority = { protocol: "MIT-MAGIC-COOKIE-1", data: Uint8Array.fromHex(screen.cookie) };
    const display = screen.display;

    await t.step("request_x11 for a command, with the display's own cookie", async () => {
      const text = await host.run("echo $DISPLAY; xdpyinfo", {
        forwardX11: { display, authority },
      });
      assertMatch(text, /^localhost:\d+\.0\n/);
      assertMatch(text, /dimensions: +320x200 pixels/);
      // The server has the cookie of this session only.
      const list = await host.run("xauth list", { forwardX11: { display, authority } });
      assert(!list.includes(screen.cookie) && list.includes("MIT-MAGIC-COOKIE-1"), list);
    });

    await t.step("with several X clients at once, and one after the other", async () => {
      const channel = await host.openSession();
      await host.forwardX11(channel, { display, authority });
      await channel.exec("for i in 1 2 3; do xdpyinfo & done; wait; xdpyinfo");
      const lines = await Array.fromAsync(channel.lines());
      assertEquals(lines.filter((line) => line.includes("dimensions:")).length, 4);
      await channel.close();
    });

    await t.step("with a wrong cookie for the display, the X server refuses", async () => {
      const wrong = { ...authority, data: new Uint8Array(16) };
      const command = host.command("xdpyinfo", { forwardX11: { display, authority: wrong } });
      const { code, stderr } = await command.output();
      assertEquals(code, 1);
      assertMatch(new TextDecoder().decode(stderr), /Invalid MIT-MAGIC-COOKIE-1 key/);
    });

    await t.step("a wrong cookie of the X client never reaches this side", async () => {
      const channel = await host.openSession();
      let handled = 0;
      const x11 = await channel.requestX11({ handler: () => void handled++ });
      assertMatch(x11.cookie, /^[0-9a-f]{32}$/);
      const evil = "xauth -q -f evil add $DISPLAY . 00112233445566778899aabbccddeeff";
      await channel.exec(`${evil}; XAUTHORITY=evil xdpyinfo 2>&1`);
      const said = (await Array.fromAsync(channel.lines())).join("\n");
      assertMatch(said, /Wrong authentication for forwarded X11/);
      assertEquals(handled, 0);
      await channel.close();
    });

    await t.step("singleConnection accepts one connection", async () => {
      const channel = await host.openSession();
      await host.forwardX11(channel, { display, authority, single: true });
      await channel.exec("xdpyinfo | grep dimensions; xdpyinfo 2>&1 | grep -c dimensions");
      const lines = await Array.fromAsync(channel.lines());
      assertEquals([lines.length, lines.at(-1)], [2, "0"]);
      await channel.close();
    });

    await t.step("the queue gives connections to the program", async () => {
      const channel = await host.openSession();
      const x11 = await channel.requestX11({ authority });
      await channel.exec("xdpyinfo > /dev/null");
      for await (const conn of x11) {
        assertEquals((conn.remoteAddr as Deno.NetAddr).hostname, "127.0.0.1");
        await joinDisplay(conn, parseDisplay(display));
        break;
      }
      assertEquals(await channel.recvExitStatus(), 0);
      await channel.close();
    });
  },
);

await peerTest(
  ["sshd"],
  "OpenSSH's server without X11 refuses it, and the channel continues",
  async () => {
    await using server = await startSshd({ config: { X11Forwarding: "no" } });
    await using host = await connectTo(server);
    await using channel = await host.openSession();
    await assertRejects(() => channel.requestX11(), RequestDeniedError, "x11-req");
    await channel.exec("echo alive");
    assertEquals(await Array.fromAsync(channel.lines()), ["alive"]);
  },
);

await peerTest(
  ["ssh", ...X11],
  "OpenSSH's client forwards its display to our server",
  async (t) => {
    await using screen = await startXServer();
    const allowed = new Set(["tester"]);
    await using server = await startOurs({ forward: { x11: ({ user }) => allowed.has(user) } });
    const lend = (flag: string, command: string) =>
      runClient("ssh", server, [command], { flags: [flag], env: screen.env });

    for (const flag of ["-X", "-Y"]) {
      await t.step(`ssh ${flag}`, async () => {
        const ran = await lend(flag, "echo $DISPLAY; xdpyinfo; xdpyinfo | grep dimensions");
        assertEquals(ran.code, 0, ran.stderr);
        assertMatch(ran.text, /^127\.0\.0\.1:\d+\.0\n/);
        assertEquals(ran.text.match(/dimensions: +320x200/g)?.length, 2);
      });
    }

    await t.step("without permission there is no display", async () => {
      allowed.clear();
      const ran = await lend("-Y", 'echo "[$DISPLAY]"; xdpyinfo');
      assertEquals([ran.text, ran.code], ["[]\n", 1]);
      assertMatch(ran.stderr, /X11 forwarding request failed/);
    });
  },
);

await peerTest(["sshd", ...X11], "cli ssh -X and -Y forward a display, -x does not", async (t) => {
  await using screen = await startXServer();
  await using server = await startSshd({ config: { X11Forwarding: "yes" } });
  for (const flag of ["-X", "-Y"]) {
    await t.step(flag, async () => {
      const ran = await cliSsh(server, ["xdpyinfo"], { flags: [flag], env: screen.env });
      assertEquals(ran.code, 0, ran.stderr);
      assertMatch(ran.text, /dimensions: +320x200/);
      // An untrusted X client sees few extensions.
      assertEquals(ran.text.includes("    XTEST\n"), flag === "-Y");
    });
  }
  await t.step("-X -x, and without DISPLAY", async () => {
    const command = 'echo "[$DISPLAY]"';
    for (const flags of [["-X", "-x"], ["-Y"]]) {
      const env = flags.length > 1 ? screen.env : { DISPLAY: "" };
      const ran = await cliSsh(server, [command], { flags, env });
      assertEquals([ran.text, ran.code], ["[]\n", 0], ran.stderr);
    }
  });
  await t.step("a display that makes no untrusted secrets", async () => {
    const env = { ...screen.env, DISPLAY: ":777" };
    const config = { LogLevel: "INFO" };
    const ran = await cliSsh(server, ['echo "[$DISPLAY]"'], { flags: ["-X"], env, config });
    assertEquals([ran.text, ran.code], ["[]\n", 0]);
    assertMatch(ran.stderr, /Warning: untrusted X11 forwarding setup failed/);
  });
});

await peerTest(["xauth"], "The user's file of cookies is read as written by xauth", async () => {
  const file = await Deno.makeTempFile();
  try {
    const entries = [["localhost:3", "03"], [":4", "04"], ["10.1.2.3:5", "05"], [
      "[fd00::1]:6",
      "06",
    ]];
    for (const [display, byte] of entries) {
      await run("xauth", ["-q", "-f", file, "add", display!, ".", byte!.repeat(16)]);
    }
    Deno.env.set("XAUTHORITY", file);
    const look = async (display: string) => (await findAuthority(parseDisplay(display)))?.data[0];
    assertEquals(await look("localhost:3.0"), 3);
    assertEquals(await look(":3"), 3);
    assertEquals(await look("unix:4.1"), 4);
    assertEquals(await look("10.1.2.3:5"), 5);
    assertEquals(await look("[fd00:0::1]:6"), 6);
    for (const none of [":5", "10.1.2.4:5", "[fd00::2]:6", ":0", "example.com:4"]) {
      assertEquals(await look(none), undefined, none);
    }
    Deno.env.set("XAUTHORITY", `${file}.none`);
    assertEquals(await look(":4"), undefined);
  } finally {
    Deno.env.delete("XAUTHORITY");
    await Deno.remove(file);
  }
});
