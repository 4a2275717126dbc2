/** The seed's features in the libraries that have them, with our server. */
import { assertEquals } from "@std/assert";
import type { Channel } from "@denossh/ssh";
import type { ServeOptions, Session } from "@denossh/ssh/server";
import { runForeign } from "./harness/foreign_clients.ts";
import { type OurServer, startOurs } from "./harness/ours.ts";
import { peerTest } from "./harness/peers.ts";
import { clientControl } from "./harness/peer_controls.ts";

/** The programs of the server; each shows one thing. */
const PROGRAMS: Record<string, (session: Session) => Promise<number | void>> = {
  async echo(session) {
    for await (const chunk of session.channel) {
      // A peer that stopped reading may still send.
      await session.channel.writeAll(chunk).catch(() => {});
    }
    return 3;
  },
  async both(session) {
    await session.print("out ");
    await session.printError("err ");
    await session.print("out");
  },
  async big(session) {
    await session.channel.writeAll(new Uint8Array(5_000_000).fill(65));
    return 200;
  },
  async killed(session) {
    await session.print("dying");
    session.exitSignal("SEGV", { coreDumped: true, message: "sorry" });
  },
  env: (session) => session.print(JSON.stringify(session.env)),
  async lines(session) {
    const { channel } = session;
    for await (const line of channel.lines()) {
      await session.print(`${line.toUpperCase()}\n`);
      await session.printError(`${line.length}\n`);
    }
  },
  async x11(session) {
    await using display = await session.x11!.connect({
      transport: "tcp",
      hostname: "10.9.8.7",
      port: 1,
    });
    const { protocol, cookie, single } = session.x11!;
    const [screen] = await Array.fromAsync(display.lines());
    await session.print(`${protocol} ${cookie} ${single} ${screen}`);
  },
  async agent(session) {
    await using agent = await session.agent!.connect();
    await session.print((await Array.fromAsync(agent.lines())).join());
  },
  async signals(session) {
    const heard: string[] = [];
    const enough = Promise.withResolvers<void>();
    const hear = (word: string) => {
      if (heard.push(word) === 3) enough.resolve();
    };
    session.onSignal((name) => hear(name));
    session.onBreak((milliseconds) => hear(`${milliseconds} ms`));
    session.channel.xonXoff(true);
    await session.print("ready\n");
    await enough.promise;
    await session.print(heard.join());
  },
};

async function terminal(session: Session): Promise<void> {
  const { term, columns, rows, width, height } = session.pty!;
  const resized = Promise.withResolvers<string>();
  session.onResize((size) => resized.resolve(`${size.columns} ${size.rows}`));
  await session.print(`${term} ${columns} ${rows} ${width} ${height}\n`);
  await session.print(await resized.promise);
}

/** A server with these programs, a custom channel type and a custom global request. */
async function seedServer(): Promise<OurServer> {
  const options: Partial<ServeOptions> = {
    pty: true,
    forward: { x11: () => true, agent: () => true },
    async onConnection(connection) {
      connection.handleGlobals("double@example.com", (data) => {
        const answer = new Uint8Array(4);
        new DataView(answer.buffer).setUint32(0, 2 * new DataView(data.buffer).getUint32(0));
        return answer;
      });
      for await (const open of connection.incoming) {
        if (open.type !== "mail@example.com") open.reject(4, "No room");
        else await readMail(open.accept());
      }
    },
  };
  return await startOurs(
    options,
    ["ed25519"],
    (session) => session.command === null ? terminal(session) : PROGRAMS[session.command]!(session),
  );
}

async function readMail(channel: Channel): Promise<void> {
  const lines = await Array.fromAsync(channel.lines());
  await channel.writeAll(new TextEncoder().encode(`thanks for ${lines.join()}`));
  await channel.close();
}

function results(text: string): Record<string, unknown> {
  return Object.fromEntries(text.trim().split("\n").map((line) => JSON.parse(line)));
}

await peerTest(
  ["paramiko"],
  "paramiko's Channel works with our server as documented",
  async (t) => {
    await using server = await seedServer();
    const ran = await runForeign("paramiko", server, ["seed"], { timeout: 90_000 });
    assertEquals(ran.code, 0, ran.stderr);
    const rows: Record<string, unknown> = {
      exec_command: [8, "over the wire", 3, true],
      recv_stderr: ["out out", "err "],
      set_combine_stderr: [false, "out err out", ""],
      recv_exit_status: [5_000_000, 200],
      no_exit_status: -1,
      set_environment_variable: '{"LC_ONE":"1","LC_TWO":"2"}',
      get_pty: ["vt220 90 30 900 300\r\n", "100 40"],
      makefile: [["ONE\n", "TWO\n"], ["3\n", "3\n"]],
      shutdown_read: 3,
      timeouts: "timeout",
      invoke_subsystem: 2,
      refused: "Channel closed.",
      request_x11: ["MIT-MAGIC-COOKIE-1 the cookie true screen", ["10.9.8.7"]],
      request_forward_agent: "keys",
      open_channel: ["thanks for a letter", 4],
      global_request: [42, null],
    };
    const seen = results(ran.text);
    for (const [row, expected] of Object.entries(rows)) {
      await t.step(row, () => assertEquals(seen[row], expected));
    }
    assertEquals(Object.keys(seen), Object.keys(rows));
  },
  () => clientControl("paramiko"),
);

await peerTest(
  ["asyncssh"],
  "asyncssh's channels work with our server as documented",
  async (t) => {
    await using server = await seedServer();
    const ran = await runForeign("asyncssh", server, ["seed"], { timeout: 90_000 });
    assertEquals(ran.code, 0, ran.stderr);
    const rows: Record<string, unknown> = {
      signals: ["USR1,500 ms,TERM", 0],
      exit_signal: ["dying", "SEGV", true, "sorry"],
      terminal: ["vt220 90 30 900 300\r\n", "100 40"],
      half_close: ["over the wire", 3],
      env: { LC_ONE: "1", LC_TWO: "2" },
      merged: ["err", "out", "out"],
      big: [5_000_000, 200],
      at_once: true,
    };
    const seen = results(ran.text);
    for (const [row, expected] of Object.entries(rows)) {
      await t.step(row, () => assertEquals(seen[row], expected));
    }
  },
  () => clientControl("asyncssh"),
);
