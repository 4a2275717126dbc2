/** Commands of a client, with a server controlled by the test. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ClosedError, CommandError, DisconnectError, RequestDeniedError } from "@denossh/ssh";
import type { Channel } from "@denossh/ssh";
import { Command, type CommandOptions, startProgram } from "../../lib/session/command.ts";
import { Process } from "../../lib/session/process.ts";
import {
  ChannelClose,
  ChannelEof,
  ChannelFailure,
  ChannelRequest,
  ChannelSuccess,
} from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { Env, ExitSignal, ExitStatus, Signal } from "../../lib/wire/requests.ts";
import { data, openChannel } from "../connection/raw_channel.ts";
import { type RawWorld, rawWorld } from "../connection/raw_world.ts";
import { record } from "../support/spans.ts";
import { plainMessage } from "../../lib/error_messages.ts";
import { notedListeners } from "../support/noted_listeners.ts";

/** A command on an open channel, and the server's actions. */
class Script {
  readonly channel: Channel;
  readonly #world: RawWorld;

  constructor(world: RawWorld, channel: Channel) {
    this.#world = world;
    this.channel = channel;
  }

  command(options: CommandOptions = {}, command = "x"): Command {
    return new Command(() => Promise.resolve(this.channel), command, options);
  }

  /** The next request received. */
  async request(): Promise<ReturnType<typeof ChannelRequest.decode>> {
    return ChannelRequest.decode(await this.#world.raw.next(MSG.CHANNEL_REQUEST));
  }

  next(number: number): Promise<Uint8Array> {
    return this.#world.raw.next(number);
  }

  succeed(): void {
    this.send(ChannelSuccess.encode({ recipient: this.channel.id }));
  }

  refuse(): void {
    this.send(ChannelFailure.encode({ recipient: this.channel.id }));
  }

  print(bytes: number, stderr = false): void {
    this.send(data(this.channel.id, bytes, stderr ? 1 : 0));
  }

  exit(status: number): void {
    this.#tell("exit-status", ExitStatus.encode({ status }));
  }

  exitSignal(name: string): void {
    const how = { name, coreDumped: false, message: "", language: "" };
    this.#tell("exit-signal", ExitSignal.encode(how));
  }

  eof(): void {
    this.send(ChannelEof.encode({ recipient: this.channel.id }));
  }

  close(): void {
    this.send(ChannelClose.encode({ recipient: this.channel.id }));
  }

  send(payload: Uint8Array): void {
    this.#world.raw.send(payload);
  }

  #tell(type: string, data: Uint8Array): void {
    const { id: recipient } = this.channel;
    this.send(ChannelRequest.encode({ recipient, type, wantReply: false, data }));
  }
}

async function run(test: (script: Script) => Promise<void>): Promise<void> {
  await using world = await rawWorld("client");
  await test(new Script(world, await openChannel(world)));
}

Deno.test("Command.output closes the channel even if the server does not", () =>
  run(async (script) => {
    const output = script.command().output();
    await script.request();
    script.succeed();
    script.exit(0);
    script.eof();
    await script.next(MSG.CHANNEL_CLOSE);
    script.close();
    assertEquals((await output).code, 0);
  }));

Deno.test("A command that the server refuses has its channel closed, and the refusal names it", () =>
  run(async (script) => {
    const spawning = script.command().spawn();
    assertEquals((await script.request()).type, "exec");
    script.refuse();
    const error = await assertRejects(
      () => spawning,
      RequestDeniedError,
      'The server refused "exec"',
    );
    assertEquals(error.request, "exec");
    assert(error.cause instanceof RequestDeniedError);
    await script.next(MSG.CHANNEL_CLOSE);
    script.close();
  }));

Deno.test("A refused terminal ends the command that was requested with it", () =>
  run(async (script) => {
    const spawning = script.command({ pty: { term: "vt100" }, env: { A: "1" } }).spawn();
    const requests = [await script.request(), await script.request(), await script.request()];
    assertEquals(
      requests.map(({ type, wantReply }) => [type, wantReply]),
      [["env", false], ["pty-req", true], ["exec", true]],
    );
    assertEquals(Env.decode(requests[0]!.data), { name: "A", value: "1" });
    script.refuse();
    script.succeed();
    await assertRejects(() => spawning, RequestDeniedError, 'The server refused "pty-req"');
    await script.next(MSG.CHANNEL_CLOSE);
    script.close();
  }));

Deno.test("A command whose connection ends before it starts fails with the reason", async () => {
  const world = await rawWorld("client");
  const script = new Script(world, await openChannel(world));
  const spawning = script.command().spawn();
  await script.request();
  await world[Symbol.asyncDispose]();
  await assertRejects(() => spawning, DisconnectError);
});

Deno.test("EOF is sent together with a command without standard input", () =>
  run(async (script) => {
    const output = script.command().output();
    await script.request();
    // Before the server has answered anything.
    await script.next(MSG.CHANNEL_EOF);
    script.succeed();
    script.exit(0);
    script.close();
    assertEquals((await output).code, 0);
  }));

Deno.test("Given standard input is sent once the command has started", () =>
  run(async (script) => {
    const output = script.command({ stdin: { text: "hi" } }).output();
    await script.request();
    script.succeed();
    assertEquals((await script.next(MSG.CHANNEL_DATA)).length, 9 + 2);
    await script.next(MSG.CHANNEL_EOF);
    script.exit(0);
    script.close();
    assertEquals((await output).code, 0);
  }));

Deno.test("With an aborted signal nothing is sent to the server", () =>
  run(async (script) => {
    const signal = AbortSignal.abort(new Error("never mind"));
    const starting = startProgram(script.channel, { kind: "shell" }, { signal, pty: true });
    await assertRejects(() => starting, Error, "never mind");
    script.channel.notify("mark");
    assertEquals((await script.request()).type, "mark");
    script.channel.abort();
    script.close();
  }));

Deno.test("An abort before the server's answer closes the channel, and rejects with the reason", () =>
  run(async (script) => {
    const controller = new AbortController();
    const spawning = script.command({ signal: controller.signal }).spawn();
    await script.request();
    controller.abort(new Error("too long"));
    await assertRejects(() => spawning, Error, "too long");
    await script.next(MSG.CHANNEL_CLOSE);
    script.close();
  }));

Deno.test("An abort while the command runs sends TERM and closes the channel", () =>
  run(async (script) => {
    const controller = new AbortController();
    const spawning = script.command({ signal: controller.signal }).spawn();
    await script.request();
    script.succeed();
    const process = await spawning;
    controller.abort(new Error("too long"));
    const { type, data } = await script.request();
    assertEquals([type, Signal.decode(data).name], ["signal", "TERM"]);
    await script.next(MSG.CHANNEL_CLOSE);
    await assertRejects(() => process.status, Error, "too long");
    script.close();
  }));

Deno.test("An abort after the end of a command has no effect", () =>
  run(async (script) => {
    const controller = new AbortController();
    const { signal } = controller;
    const listeners = notedListeners(signal);
    const spawning = script.command({ signal }).spawn();
    await script.request();
    script.succeed();
    const process = await spawning;
    assertEquals(listeners.count, 1);
    script.exit(3);
    script.close();
    await process.channel.closed;
    assertEquals((await process.status).code, 3);
    assertEquals(listeners.count, 0);
    controller.abort();
  }));

Deno.test("A process aborted before its start is closed, and gets no signal", () =>
  run(async (script) => {
    script.channel.abort(new ClosedError("gone"));
    await script.next(MSG.CHANNEL_CLOSE);
    const process = new Process(script.channel, { signal: AbortSignal.abort(new Error("late")) });
    await assertRejects(() => process.status, ClosedError, "gone");
    script.close();
  }));

Deno.test("Output beyond maxOutput, of either stream, closes the channel", async () => {
  for (const stderr of [false, true]) {
    await run(async (script) => {
      const output = script.command({ maxOutput: 10 }).output();
      await script.request();
      script.succeed();
      script.print(11, stderr);
      await script.next(MSG.CHANNEL_CLOSE);
      script.close();
      await assertRejects(() => output, Error, "longer than 10 bytes");
    });
  }
});

Deno.test("A process with too much output is closed", () =>
  run(async (script) => {
    const spawning = script.command({ maxOutput: 10 }).spawn();
    await script.request();
    script.succeed();
    const process = await spawning;
    const output = assertRejects(() => process.output(), Error, "longer than 10 bytes");
    script.print(11);
    await output;
    assert(!process.channel.isOpen);
    await script.next(MSG.CHANNEL_CLOSE);
    script.close();
  }));

Deno.test("Disposing of an ended process closes its channel on both sides", () =>
  run(async (script) => {
    const spawning = script.command().spawn();
    await script.request();
    script.succeed();
    const process = await spawning;
    script.exit(0);
    script.eof();
    await process.output();
    let disposed = false;
    const disposing = process[Symbol.asyncDispose]().then(() => disposed = true);
    await script.next(MSG.CHANNEL_CLOSE);
    assert(!disposed);
    script.close();
    await disposing;
  }));

Deno.test("Output of maxOutput bytes on each stream is complete", () =>
  run(async (script) => {
    const output = script.command({ maxOutput: 10 }).output();
    await script.request();
    script.succeed();
    script.print(10);
    script.print(10, true);
    script.exit(0);
    script.close();
    const { stdout, stderr } = await output;
    assertEquals([stdout.length, stderr.length], [10, 10]);
  }));

Deno.test("Merged standard error is in order in standard output", () =>
  run(async (script) => {
    const output = script.command({ stderr: "merge" }).output();
    await script.request();
    script.succeed();
    script.print(1);
    script.print(2, true);
    script.print(3);
    script.exit(0);
    script.close();
    const { stdout, stderr } = await output;
    assertEquals([stdout.length, stderr.length], [6, 0]);
  }));

Deno.test("A null stream is discarded, and the other one is not", async () => {
  for (const [options, expected] of [[{ stdout: "null" }, [0, 2]], [{ stderr: "null" }, [1, 0]]]) {
    await run(async (script) => {
      const output = script.command(options as CommandOptions).output();
      await script.request();
      script.succeed();
      script.print(1);
      script.print(2, true);
      script.exit(0);
      script.close();
      const { stdout, stderr } = await output;
      assertEquals([stdout.length, stderr.length], expected);
    });
  }
});

const failures: [string, (script: Script) => void, string][] = [
  ["a signal", (script) => script.exitSignal("KILL"), 'Command "x" was ended by SIGKILL'],
  ["nothing", () => {}, 'Command "x" ended without a status'],
  ["a code", (script) => script.exit(3), 'Command "x" failed with exit code 3'],
];
for (const [what, end, message] of failures) {
  Deno.test(`A CommandError says that ${what} ended the command`, () =>
    run(async (script) => {
      const text = script.command().text();
      await script.request();
      script.succeed();
      end(script);
      script.close();
      assertEquals(plainMessage(await assertRejects(() => text, CommandError)), message);
    }));
}

Deno.test("A CommandError quotes the last line, at most 400 bytes", () =>
  run(async (script) => {
    const text = script.command().text();
    await script.request();
    script.succeed();
    script.print(500, true);
    script.exit(1);
    script.close();
    const error = await assertRejects(() => text, CommandError);
    assertEquals(plainMessage(error), `Command "x" failed with exit code 1: ${"A".repeat(400)}`);
  }));

Deno.test("A program's span on the client ends with it, has its exit code, and fails if it cannot start", async () => {
  using spans = record();
  await run(async (script) => {
    const output = script.command().output();
    await script.request();
    script.succeed();
    script.exit(3);
    script.close();
    await output;
  });
  await run(async (script) => {
    const output = script.command().output();
    await script.request();
    script.succeed();
    script.exitSignal("KILL");
    script.close();
    await output;
  });
  await run(async (script) => {
    const spawning = script.command().spawn();
    await script.request();
    script.refuse();
    await assertRejects(() => spawning);
    script.close();
  });
  const world = await rawWorld("client");
  const script = new Script(world, await openChannel(world));
  const starting = startProgram(script.channel, { kind: "subsystem", name: "x" });
  await script.request();
  script.succeed();
  await starting;
  await world[Symbol.asyncDispose]();
  await assertRejects(() => script.channel.exitStatus);
  assertEquals(spans.ended.map(({ name, kind, attributes }) => ({ name, kind, attributes })), [
    { name: "ssh.exec", kind: 2, attributes: { "process.exit.code": 3 } },
    { name: "ssh.exec", kind: 2, attributes: { "ssh.exit_signal": "KILL" } },
    { name: "ssh.exec", kind: 2, attributes: { "error.type": "RequestDeniedError" } },
    { name: "ssh.subsystem", kind: 2, attributes: { "error.type": "DisconnectError" } },
  ]);
});
