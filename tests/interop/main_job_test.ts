/**
 * The main features with OpenSSH's sshd: commands, streams, parallel commands, rekeys, normal and
 * abnormal ends.
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  AuthError,
  ConnectError,
  interactive,
  knownHosts,
  password,
  publicKey,
  SshError,
} from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { connectTo, noise, sha256 } from "./harness/ours.ts";
import { peerTest } from "./harness/peers.ts";
import { startSshd } from "./harness/sshd.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

await peerTest(["sshd"], "Commands run on a real server as with Deno.Command", async (t) => {
  await using server = await startSshd({
    config: { MaxSessions: 200, AcceptEnv: "LANG LC_*" },
  });
  await using host = await connectTo(server);

  await t.step("output, exit codes and signals are passed on", async () => {
    assertEquals(await host.run("echo hello"), "hello");
    const output = await host.command("echo out; echo err >&2; exit 42").output();
    assertEquals([text(output.stdout), text(output.stderr), output.code], ["out\n", "err\n", 42]);
    const killed = await host.command("kill -SEGV $$").output();
    assertEquals([killed.code, killed.signal], [null, "SEGV"]);
  });

  await t.step("the environment is set if the server accepts it", async () => {
    assertEquals(
      await host.run('echo "$LC_TEST:$EVIL"', { env: { LC_TEST: "a b", EVIL: "x" } }),
      "a b:",
    );
  });

  await t.step("a command gets a requested terminal", async () => {
    const size = await host.run("tty >/dev/null && stty size && echo $TERM", {
      pty: { term: "vt220", columns: 111, rows: 33 },
    });
    assertEquals(size, "33 111\r\nvt220");
  });

  await t.step("a program is notified when its terminal is resized", async () => {
    await using process = await host.command(
      "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done",
      { pty: true },
    ).spawn();
    let said = "";
    let resized = false;
    for await (const chunk of process.stdout) {
      said += text(chunk);
      if (!resized && said.includes("ready")) {
        process.resize({ columns: 90, rows: 20 });
        resized = true;
      }
    }
    assertStringIncludes(said, "20 90");
  });

  await t.step("a shell reads its input", async () => {
    await using shell = await host.shell({
      pty: false,
      stdin: { text: "echo $((6*7))\nexit 9\n" },
    });
    const output = await shell.output();
    assertEquals([text(output.stdout), output.code], ["42\n", 9]);
  });

  await t.step("stdin of 0 bytes is EOF", async () => {
    assertEquals(await host.run("wc -c", { stdin: new Uint8Array(0) }), "0");
  });

  await t.step("large stderr and stdout are both complete", async () => {
    const { stdout, stderr } = await host.command(
      "head -c 20000000 /dev/zero & head -c 20000000 /dev/zero >&2; wait",
    ).output();
    assertEquals([stdout.length, stderr.length], [20_000_000, 20_000_000]);
  });

  await t.step("a hundred commands, sequential and parallel", async () => {
    for (let i = 0; i < 20; i++) assertEquals(await host.run(`echo ${i}`), `${i}`);
    const all = await Promise.all(Array.from({ length: 100 }, (_, i) => host.run(`echo ${i}`)));
    assertEquals(all, Array.from({ length: 100 }, (_, i) => `${i}`));
  });

  await t.step("a hundred channels are open at once", async () => {
    const channels = await Promise.all(Array.from({ length: 100 }, () => host.openSession()));
    assertEquals(new Set(channels.map(({ id }) => id)).size, 100);
    await Promise.all(channels.map((channel) => channel.close()));
  });

  await t.step("a reader that pauses stalls its command, and memory stays flat", async () => {
    await using paused = await host.command("head -c 400000000 /dev/zero").spawn();
    // The end of another command shows that data had time to arrive.
    await host.run("head -c 50000000 /dev/zero", { stdout: "null" });
    const before = Deno.memoryUsage().rss;
    await host.run("head -c 50000000 /dev/zero", { stdout: "null" });
    assert(Deno.memoryUsage().rss - before < 40e6);
    let bytes = 0;
    for await (const chunk of paused.stdout) bytes += chunk.length;
    assertEquals(bytes, 400_000_000);
  });
});

await peerTest(
  ["sshd"],
  "Data survives rekeys at every megabyte, started by either end",
  async (t) => {
    const sent = noise(40_000_003);
    const digest = await sha256(sent);
    const rekeys: [string, string, number | undefined][] = [
      ["by the server", "1M", undefined],
      ["by the client", "default", 1024 * 1024],
      ["by both", "1M", 1024 * 1024],
    ];
    for (const [who, server, client] of rekeys) {
      await t.step(who, async () => {
        await using sshd = await startSshd({ config: { RekeyLimit: server } });
        await using host = await connectTo(
          sshd,
          client === undefined ? {} : { rekey: { bytes: client } },
        );
        const { stdout, code } = await host.command("cat", { stdin: sent }).output();
        assertEquals([code, await sha256(stdout)], [0, digest]);
        assertEquals((await host.run("sha256sum", { stdin: sent })).slice(0, 64), digest);
      });
    }
  },
);

await peerTest(
  ["sshd"],
  "A server that is killed midway ends everything with one error",
  async () => {
    await using server = await startSshd();
    await using host = await connectTo(server);
    await using process = await host.command("echo $PPID; cat /dev/zero").spawn();
    const first = text((await process.channel.readChunk())!);
    Deno.kill(Number(/^\d+/.exec(first)![0]), "SIGKILL");
    const failures = await Promise.allSettled([process.output(), process.status, host.closed]);
    for (const failure of failures) {
      assert(failure.status === "rejected");
      assert(failure.reason instanceof ConnectError, String(failure.reason));
    }
    await assertRejects(() => host.run("x"), SshError, "closed");
  },
);

await peerTest(["sshd"], "Keepalives detect a frozen server", async () => {
  await using server = await startSshd();
  await using host = await connectTo(server, { keepaliveInterval: 50, keepaliveCount: 2 });
  const pid = Number(await host.run("echo $PPID"));
  Deno.kill(pid, "SIGSTOP");
  try {
    const error = await assertRejects(() => host.closed, ConnectError, "has not answered");
    assertEquals(error.code, "timeout");
  } finally {
    Deno.kill(pid, "SIGKILL");
  }
});

await peerTest(["sshd"], "A wrong key is an AuthError that names the allowed methods", async () => {
  await using server = await startSshd({ config: { PasswordAuthentication: "no" } });
  const error = await assertRejects(
    async () => await connectTo(server, { auth: [publicKey(await generateKey())] }),
    AuthError,
  );
  assertEquals(error.attempts, ["publickey"]);
  assert(error.remaining.includes("publickey"));
});

await peerTest(
  ["sshd", "root"],
  "Passwords are accepted and refused by a real server",
  async () => {
    await using server = await startSshd({ login: "password" });
    const hostKeys = knownHosts(server.knownHosts);
    {
      await using host = await connectTo(server, { auth: [password(server.password!)], hostKeys });
      assertEquals(await host.run("whoami"), server.user);
      // sshd passes on signals only after dropping privileges, so not to commands of root.
      const trap = "trap 'exit 5' USR1; echo up; while :; do sleep 0.05; done";
      await using process = await host.command(trap).spawn();
      await process.channel.readChunk();
      process.kill("SIGUSR1");
      assertEquals((await process.output()).code, 5);

      // An aborted command gets SIGTERM.
      const mark = `denossh-${crypto.randomUUID()}`;
      const aborter = new AbortController();
      const { signal } = aborter;
      const command = `bash -c 'echo up; exec -a ${mark} sleep 1000'`;
      await using sleeper = await host.command(command, { signal }).spawn();
      await sleeper.channel.readChunk();
      aborter.abort(new Error("enough"));
      await assertRejects(() => sleeper.status, Error, "enough");
      while (await host.run(`pgrep -f '^${mark}' || true`) !== "");
    }
    const error = await assertRejects(
      () => connectTo(server, { auth: [password("wrong"), password("wrong too")], hostKeys }),
      AuthError,
    );
    assertEquals(error.attempts, ["password", "password"]);
  },
);

await peerTest(
  ["sshd", "root"],
  "Keyboard-interactive answers a real server's prompts",
  async () => {
    await using server = await startSshd({ login: "interactive" });
    const prompts: string[] = [];
    await using host = await connectTo(server, {
      auth: [interactive((challenge) => {
        prompts.push(...challenge.prompts.map(({ text }) => text));
        return challenge.prompts.map(() => server.password!);
      })],
    });
    assertEquals(await host.run("whoami"), server.user);
    assert(prompts.length > 0);
  },
);
