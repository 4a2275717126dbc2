/** The transport of a connection that a control master shares: messages without keys, and its ends. */
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { CLOSE_LINGER_MS } from "../../lib/defaults.ts";
import { ConnectError, DisconnectError, ProtocolError } from "../../lib/errors.ts";
import { PlainSealer } from "../../lib/transport/plain_packets.ts";
import { PlainTransport } from "../../lib/transport/plain_transport.ts";
import type { Socket } from "../../lib/transport/socket.ts";
import type { TraceEvent } from "../../lib/transport/trace.ts";
import { FakeTime } from "../support/fake_time.ts";
import { plainMessage } from "../../lib/error_messages.ts";

/** A socket that returns pushed data and records the calls. */
class TestSocket implements Socket {
  readonly localAddr = null;
  readonly remoteAddr = null;
  readonly written: Uint8Array[] = [];
  closed = 0;
  /** A promise that writes wait for. */
  writing: Promise<void> = Promise.resolve();
  readonly #chunks: (Uint8Array | Error | null)[] = [];
  #news = Promise.withResolvers<void>();

  push(chunk: Uint8Array | Error | null): void {
    this.#chunks.push(chunk);
    this.#news.resolve();
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#chunks.length === 0) {
      this.#news = Promise.withResolvers();
      await this.#news.promise;
    }
    const chunk = this.#chunks.shift()!;
    if (chunk instanceof Error) throw chunk;
    if (chunk === null) return null;
    into.set(chunk);
    return chunk.length;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.written.push(bytes.slice());
    await this.writing;
  }

  closeWrite(): void {}

  close(): void {
    this.closed++;
    this.push(null);
  }
}

function framed(...payloads: number[][]): Uint8Array {
  using sealer = new PlainSealer();
  for (const payload of payloads) sealer.sealPayload(new Uint8Array(payload));
  const bytes = new Uint8Array(sealer.pending);
  sealer.take(bytes);
  return bytes;
}

function opened(leftover: Uint8Array = new Uint8Array(0), trace?: (event: TraceEvent) => void) {
  const socket = new TestSocket();
  const transport = new PlainTransport(socket, trace);
  const handled: number[][] = [];
  const ends: unknown[] = [];
  transport.open({
    handle: (payload) => void handled.push([...payload]),
    closed: (error) => void ends.push(error),
  }, leftover);
  return { socket, transport, handled, ends };
}

Deno.test("A control master's data belongs to the connection from the first byte on", async () => {
  const told: string[] = [];
  const { socket, transport, handled, ends } = opened(
    framed([80, 1]),
    ({ direction, number }) => told.push(`${direction} ${number}`),
  );
  const all = framed([94, 2], [2, 0, 0, 0, 0], [4], [3], [127, 3]);
  socket.push(all.subarray(0, 7));
  socket.push(all.subarray(7));
  socket.push(null);
  await transport.finished;
  assertEquals(handled, [[80, 1], [94, 2], [127, 3]]);
  assertEquals(told, [80, 94, 2, 4, 3, 127].map((number) => `received ${number}`));
  const [error] = ends;
  assert(error instanceof ConnectError);
  assertEquals(plainMessage(error), "The control master closed the connection");
  assertStrictEquals(await transport.closed, error);
  assertEquals([ends.length, transport.ahead], [1, 0]);
});

for (const number of [1, 5, 20, 50, 79, 128, 192]) {
  Deno.test(`A control master must not send message ${number}`, async () => {
    const { socket, transport, handled } = opened();
    socket.push(framed([number, 0, 0, 0, 0], [80]));
    const error = await transport.closed;
    assert(error instanceof ProtocolError && plainMessage(error).startsWith("Unexpected "));
    socket.push(null);
    await transport.finished;
    assertEquals(handled, []);
  });
}

Deno.test("A reset counts as an end of the control master, and other errors are kept", async () => {
  const lost = new ConnectError("reset");
  const reset = opened();
  reset.socket.push(lost);
  const error = await reset.transport.closed;
  assert(error instanceof ConnectError && error.cause === lost);
  await reset.transport.finished;
  assertEquals(reset.socket.closed, 2);
  const broken = opened();
  const bug = new TypeError("a bug");
  broken.socket.push(bug);
  assertStrictEquals(await broken.transport.closed, bug);
  await broken.transport.finished;
});

Deno.test("Leaving sends sealed data, then closes, and sends nothing more", async () => {
  const { socket, transport, ends } = opened();
  const writing = Promise.withResolvers<void>();
  socket.writing = writing.promise;
  transport.sink.send(new Uint8Array([97, 0, 0, 0, 1]));
  transport.disconnect();
  transport.disconnect();
  transport.sink.send(new Uint8Array([97, 0, 0, 0, 2]));
  transport.sink.sendNow(new Uint8Array([97, 0, 0, 0, 3]));
  transport.sink.sendData(1, 0, new Uint8Array(4));
  const error = await transport.closed;
  assert(error instanceof DisconnectError);
  assertEquals([error.reason, error.by, ends.length], [11, "us", 1]);
  assertEquals(socket.closed, 0);
  writing.resolve();
  await transport.finished;
  assert(socket.closed > 0);
  assertEquals(socket.written, [framed([97, 0, 0, 0, 1])]);
});

Deno.test("The wait for a control master that stops reading is limited", async () => {
  using time = new FakeTime();
  const { socket, transport } = opened();
  socket.writing = new Promise(() => {});
  transport.sink.send(new Uint8Array([97, 0, 0, 0, 1]));
  transport.disconnect();
  await time.advance(CLOSE_LINGER_MS - 1);
  assertEquals(socket.closed, 0);
  await time.advance(1);
  assert(socket.closed > 0);
  await transport.finished;
  assertEquals(time.timers, 0);
});

Deno.test("A shared connection neither rekeys nor answers unknown messages", async () => {
  const { socket, transport } = opened();
  assertEquals([transport.role, transport.shared], ["client", true]);
  assertEquals(transport.sink.trace, null); // unless one is asked for
  transport.unimplemented();
  await assertRejects(() => transport.rekey(), TypeError, "Only the control master");
  assertEquals(socket.written, []);
  transport.disconnect();
  await transport.finished;
});

Deno.test("A lost control master's socket is closed although a write is under way", async () => {
  const { socket, transport } = opened();
  const stuck = Promise.withResolvers<void>();
  socket.writing = stuck.promise;
  transport.sink.send(new Uint8Array([80]));
  await null;
  transport.fail(new ConnectError("lost"));
  assertEquals(socket.closed, 1);
  stuck.resolve();
  await transport.finished;
});

Deno.test("After the end of a shared connection no message is handled, and no timer is left", async () => {
  using time = new FakeTime();
  const { socket, transport, handled } = opened();
  socket.push(framed([80]));
  transport.disconnect();
  await transport.finished;
  assertEquals([handled, time.timers], [[], 0]);
});
