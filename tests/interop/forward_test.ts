/** Tunnels with OpenSSH: our client through its server, and its client through ours. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ChannelOpenError, ConnectError, RequestDeniedError } from "@denossh/ssh";
import type { ServeOptions } from "@denossh/ssh/server";
import { ask, decode, echo, encode, exchange, readAll, target, until } from "../forward/world.ts";
import { bulkEcho, TUNNEL_MIB } from "../support/bulk.ts";
import { runForeign } from "./harness/foreign_clients.ts";
import { freePort } from "../support/free_port.ts";
import { configFlags } from "../support/ssh_flags.ts";
import { runClient } from "./harness/openssh_clients.ts";
import { connectTo, noise, sha256, startOurs } from "./harness/ours.ts";
import { peerTest, requirePeer } from "./harness/peers.ts";
import { Program } from "../support/program.ts";
import { startSshd } from "./harness/sshd.ts";
import { tempFolder } from "../support/temp.ts";
import { dialControl } from "./harness/peer_controls.ts";

const everything: Partial<ServeOptions> = { forward: { local: () => true, remote: () => true } };

await peerTest(["sshd"], "Our client's tunnels go through OpenSSH's server", async (t) => {
  await using folder = await tempFolder();
  await using server = await startSshd({ config: { MaxSessions: 200, GatewayPorts: "no" } });
  await using host = await connectTo(server);
  await using here = echo();

  await t.step("dial reaches ports and unix sockets", async () => {
    await using conn = await host.dial(here.to);
    assertEquals(decode(await exchange(conn, encode("hello"))), "hello");
    const path = folder.join("dialled");
    using listener = Deno.listen({ transport: "unix", path });
    const [far, near] = await Promise.all([listener.accept(), host.dial({ path })]);
    await near.write(encode("unix"));
    await near.closeWrite();
    assertEquals(decode(await readAll(far)), "unix");
    far.close();
    near.close();
    const error = await assertRejects(() => host.dial(`127.0.0.1:${freePort()}`), ChannelOpenError);
    assertEquals(error.reason, 2);
  });

  await t.step(
    `forwardLocal carries ${TUNNEL_MIB} MiB both ways while 100 short connections open and close`,
    async () => {
      await using tunnel = await host.forwardLocal({ from: { port: 0 }, to: here.to });
      using big = await Deno.connect({ port: tunnel.addr.port });
      const whole = bulkEcho(big, TUNNEL_MIB);
      const short = async () => {
        for (let i = 0; i < 10; i++) assertEquals(await ask(tunnel.addr.port, `n${i}`), `n${i}`);
      };
      await Promise.all(Array.from({ length: 10 }, short));
      const { sent, received, bytes } = await whole;
      assertEquals([received, bytes], [sent, TUNNEL_MIB * 1024 * 1024]);
      assertEquals(await tunnel.check(), true);
      await until(() => tunnel.connections === 0);
    },
  );

  await t.step("forwardLocal passes on the half-close of either end", async () => {
    await using talker = target(async (conn) => {
      await conn.write(encode("first word"));
      await conn.closeWrite();
      assertEquals(decode(await readAll(conn)), "last word");
    });
    await using tunnel = await host.forwardLocal({
      from: { path: folder.join("local") },
      to: talker.to,
    });
    using conn = await Deno.connect({ transport: "unix", path: folder.join("local") });
    assertEquals(decode(await readAll(conn)), "first word");
    await conn.write(encode("last word"));
    await conn.closeWrite();
    await until(() => tunnel.connections === 0);
  });

  await t.step("listen accepts connections to a port that the server chose", async () => {
    await using listener = await host.listen({ port: 0 });
    assert(listener.addr.port > 0);
    for (const text of ["one", "two"]) {
      const asked = ask(listener.addr.port, text);
      const conn = await listener.accept();
      await conn.readable.pipeTo(conn.writable);
      assertEquals(await asked, text);
    }
    await assertRejects(() => host.listen({ port: listener.addr.port }), RequestDeniedError);
  });

  await t.step("listen stops when it is closed, and starts again", async () => {
    let port = 0;
    for (let i = 0; i < 3; i++) {
      const listener = await host.listen({ port });
      port = listener.addr.port;
      await listener[Symbol.asyncDispose]();
      await assertRejects(() => Deno.connect({ port }), Deno.errors.ConnectionRefused);
    }
  });

  await t.step("forwardRemote carries connections from ports and unix sockets", async () => {
    const path = folder.join("remote");
    await using inner = await host.forwardRemote({ from: { path }, to: here.to });
    await using outer = await host.forwardRemote({ from: { port: 0 }, to: { path } });
    const sent = noise(5_000_000);
    using conn = await Deno.connect({ port: outer.addr.port });
    assertEquals(await sha256(await exchange(conn, sent)), await sha256(sent));
    await until(() => inner.connections === 0);
    assertEquals([inner.bytesIn, inner.bytesOut], [sent.length, sent.length]);
    const all = Array.from({ length: 50 }, (_, i) => ask(outer.addr.port, `${i}`));
    assertEquals(await Promise.all(all), Array.from({ length: 50 }, (_, i) => `${i}`));
    assertEquals(await outer.check(), true);
  });

  await t.step("forwardSocks is a proxy for fetch", async () => {
    await using web = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      (request) => new Response(`you asked for ${new URL(request.url).pathname}`),
    );
    await using socks = await host.forwardSocks({ port: 0 });
    assertEquals(await socks.check(), true);
    for (const scheme of ["socks5", "socks5h"]) {
      const url = `${scheme}://127.0.0.1:${socks.addr.port}`;
      using client = Deno.createHttpClient({ proxy: { url } });
      const answer = await fetch(`http://127.0.0.1:${web.addr.port}/x`, { client });
      assertEquals(await answer.text(), "you asked for /x");
    }
    assert(socks.bytesIn > 0);
  });

  await t.step("a jump through the server reaches the same server", async () => {
    await using inner = await connectTo(server, { jump: host });
    assertEquals(await inner.run("echo inside"), "inside");
  });
});

await peerTest(["sshd"], "OpenSSH's refusals have the documented errors", async () => {
  await using server = await startSshd({ config: { AllowTcpForwarding: "no" } });
  await using host = await connectTo(server);
  const error = await assertRejects(() => host.dial("127.0.0.1:22"), ChannelOpenError);
  assertEquals(error.reason, 1);
  await assertRejects(() => host.listen({ port: 0 }), RequestDeniedError);
});

await peerTest(["ssh"], "OpenSSH's tunnels work through our server", async (t) => {
  await using folder = await tempFolder();
  await using server = await startOurs(everything);
  await using here = echo();

  /** `ssh -N` with forwarding flags, once it reports success. */
  const tunnels = async (ready: RegExp, ...flags: string[]) => {
    const config = { LogLevel: "DEBUG1", ExitOnForwardFailure: "yes" };
    const destination = `${server.user}@${server.hostname}`;
    const program = new Program(await requirePeer("ssh"), {
      args: ["-N", ...configFlags(server, config), ...flags, destination],
    });
    await program.waitFor(ready);
    return program;
  };
  const SESSION = /Entering interactive session/;

  await t.step("-W", async () => {
    const ran = await runClient("ssh", server, [], { flags: ["-W", here.to], stdin: "by -W" });
    assertEquals([ran.text, ran.code], ["by -W", 0], ran.stderr);
    const dead = await runClient("ssh", server, [], { flags: ["-W", `127.0.0.1:${freePort()}`] });
    assert(dead.code !== 0);
  });

  await t.step("-L, with a large transfer beside short ones, and to a unix socket", async () => {
    const port = freePort();
    const path = folder.join("local");
    using listener = Deno.listen({ transport: "unix", path });
    const flags = ["-L", `${port}:${here.to}`, "-L", `${folder.join("in")}:${path}`];
    await using _ssh = await tunnels(SESSION, ...flags);
    using big = await Deno.connect({ port });
    const whole = bulkEcho(big, TUNNEL_MIB);
    const short = async () => {
      for (let i = 0; i < 10; i++) assertEquals(await ask(port, `n${i}`), `n${i}`);
    };
    await Promise.all(Array.from({ length: 10 }, short));
    const { sent, received, bytes } = await whole;
    assertEquals([received, bytes], [sent, TUNNEL_MIB * 1024 * 1024]);
    using conn = await Deno.connect({ transport: "unix", path: folder.join("in") });
    using far = await listener.accept();
    await far.write(encode("from the far end"));
    await far.closeWrite();
    assertEquals(decode(await readAll(conn)), "from the far end");
  });

  await t.step("-R, of a port, of one that we choose, and of a unix socket", async () => {
    const port = freePort();
    const path = folder.join("remote");
    const flags = ["-R", `${port}:${here.to}`, "-R", `0:${here.to}`, "-R", `${path}:${here.to}`];
    const program = await tunnels(/remote forward success for: listen .*remote:/, ...flags);
    const [, chosen] = await program.waitFor(/Allocated port (\d+) for remote forward/);
    for (const p of [port, Number(chosen)]) assertEquals(await ask(p, `by ${p}`), `by ${p}`);
    const sent = noise(10_000_000);
    using conn = await Deno.connect({ transport: "unix", path });
    assertEquals(await sha256(await exchange(conn, sent)), await sha256(sent));
    await program[Symbol.asyncDispose]();
    // The client has disconnected, so its ports are closed.
    await until(() => {
      try {
        Deno.listen({ hostname: "127.0.0.1", port }).close();
        return true;
      } catch {
        return false;
      }
    });
  });

  await t.step("-D", async () => {
    const port = freePort();
    await using _ssh = await tunnels(SESSION, "-D", `${port}`);
    await using web = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      () => new Response("by -D"),
    );
    using client = Deno.createHttpClient({ proxy: { url: `socks5h://127.0.0.1:${port}` } });
    const answer = await fetch(`http://localhost:${web.addr.port}/`, { client });
    assertEquals(await answer.text(), "by -D");
  });
  // `ssh -N` is ended by a signal, so it hangs up without a DISCONNECT; no other error is allowed.
  assert(server.errors.every((error) => error instanceof ConnectError), `${server.errors}`);
});

await peerTest(["ssh", "sshd"], "OpenSSH's client jumps through our server", async () => {
  await using sshd = await startSshd();
  await using server = await startOurs(everything);
  const flags = [...configFlags(server), "-W", "%h:%p", `${server.user}@${server.hostname}`];
  const ran = await runClient("ssh", sshd, ["echo through"], {
    config: { ProxyCommand: [await requirePeer("ssh"), ...flags].join(" ") },
  });
  assertEquals([ran.text, ran.code], ["through\n", 0], ran.stderr);
});

await peerTest(["ssh"], "OpenSSH's client is refused where our policy does not allow", async () => {
  await using server = await startOurs();
  const refused = await runClient("ssh", server, [], { flags: ["-W", "127.0.0.1:22"] });
  assert(refused.code !== 0);
  const flags = ["-N", "-R", `${freePort()}:127.0.0.1:22`];
  const config = { ExitOnForwardFailure: "yes" };
  assertEquals((await runClient("ssh", server, [], { flags, config })).code, 255);
});

for (const kind of ["asyncssh", "paramiko", "go", "mina", "jsch", "sshj"] as const) {
  await peerTest([kind], `A ${kind} client dials through our server`, async () => {
    await using server = await startOurs(everything);
    const ran = await runForeign(kind, server, ["dial", "127.0.0.1", `${server.port}`], {
      stdin: "not ssh\n",
    });
    assert(ran.text.startsWith("SSH-2.0-"), ran.stderr);
  }, () => dialControl(kind));
}
