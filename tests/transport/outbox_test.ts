/** The memory that a peer can fill by not reading. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Sealer } from "../../lib/crypto/packet_cipher.ts";
import { OUTBOX_HIGH_WATER, OUTBOX_LIMIT, OUTBOX_LIMIT_BEFORE_LOGIN } from "../../lib/defaults.ts";
import { ProtocolError } from "../../lib/errors.ts";
import { PacketSink } from "../../lib/transport/packet_sink.ts";
import { Ping } from "../../lib/wire/messages.ts";
import { greetedPair } from "./transport_pair.ts";
import { plainMessage } from "../../lib/error_messages.ts";

/** A sink on a socket that accepts writes immediately, or never, and its error. */
function sinkOn(socket: "quick" | "stuck") {
  const failures: unknown[] = [];
  const stuck = Promise.withResolvers<void>();
  const sink = new PacketSink(
    {
      read: () => new Promise(() => {}),
      write: () => socket === "quick" ? Promise.resolve() : stuck.promise,
      closeWrite: () => {},
      close: () => {},
      localAddr: null,
      remoteAddr: null,
    },
    (error) => void failures.push(error),
    new Sealer(),
  );
  return {
    sink,
    failures,
    async [Symbol.asyncDispose]() {
      const drained = sink.drained();
      sink.close();
      stuck.resolve();
      await drained;
    },
  };
}

const ANSWER = new Uint8Array(64 * 1024).fill(2); // IGNORE, in effect

Deno.test("The queue during a key exchange is limited to the byte", async () => {
  await using end = sinkOn("quick");
  for (let round = 1; round <= 2; round++) {
    end.sink.hold();
    for (let bytes = 0; bytes < OUTBOX_LIMIT; bytes += ANSWER.length) end.sink.send(ANSWER);
    assertEquals(end.failures, []);
    end.sink.send(ANSWER.subarray(0, 1));
    assert(end.failures[0] instanceof ProtocolError);
    end.sink.release();
    await end.sink.drained();
    end.failures.length = 0;
  }
});

Deno.test("The queue is counted from zero in each key exchange", async () => {
  await using end = sinkOn("quick");
  for (let round = 0; round < 3; round++) {
    end.sink.hold();
    for (let bytes = 0; bytes < 0.7 * OUTBOX_LIMIT; bytes += ANSWER.length) end.sink.send(ANSWER);
    end.sink.release();
    await end.sink.drained();
  }
  assertEquals(end.failures, []);
});

Deno.test("The unsent bytes are limited, whether sent directly or queued before", async () => {
  for (const held of [false, true]) {
    await using end = sinkOn("stuck");
    const half = OUTBOX_LIMIT / 2;
    if (held) end.sink.hold();
    for (let bytes = 0; bytes < half; bytes += ANSWER.length) end.sink.send(ANSWER);
    if (held) {
      end.sink.release();
      end.sink.hold();
    }
    assertEquals(end.failures, []);
    for (let bytes = 0; bytes <= half; bytes += ANSWER.length) end.sink.send(ANSWER);
    if (held) end.sink.release();
    assert(end.failures[0] instanceof ProtocolError, `${held}`);
    assertEquals(
      plainMessage(end.failures[0]),
      "The peer does not read the answers to its requests",
    );
  }
});

Deno.test("Messages of the key exchange have the same limit", async () => {
  await using end = sinkOn("stuck");
  end.sink.hold();
  const times = OUTBOX_LIMIT / ANSWER.length;
  for (let i = 0; i < times - 1; i++) end.sink.sendNow(ANSWER);
  assertEquals(end.failures, []);
  for (let i = 0; i < 2; i++) end.sink.sendNow(ANSWER);
  assert(end.failures[0] instanceof ProtocolError);
});

Deno.test("Before the login the limit is far lower", async () => {
  for (const role of ["server", "client"] as const) {
    await using pair = await greetedPair();
    const [ours, theirs] = [pair[role], pair[role === "server" ? "client" : "server"]];
    const stuck = Promise.withResolvers<void>();
    ours.socket.write = () => stuck.promise;
    const ping = Ping.encode({ data: new Uint8Array(30_000) });
    let over: unknown = null;
    ours.closed.then((cause) => over = cause);
    let sent = 0;
    for (; sent < 100 && over === null; sent++) {
      theirs.sink.sendNow(ping);
      await theirs.sink.drained();
    }
    assert(over instanceof ProtocolError, String(over));
    assertStringIncludes(plainMessage(over), "does not read the answers");
    // The held bytes are within one message of the limit.
    const held = ours.sink.sealer.pending;
    assert(held <= OUTBOX_LIMIT_BEFORE_LOGIN + 2 * ping.length, `${held}`);
    stuck.resolve();
  }
});

Deno.test("Bulk data stays far below the limit: its writers wait at the high-water mark", async () => {
  await using end = sinkOn("stuck");
  while (!end.sink.congested) end.sink.sendData(0, 0, ANSWER);
  assert(end.sink.sealer.pending >= OUTBOX_HIGH_WATER);
  assert(end.sink.sealer.pending < OUTBOX_HIGH_WATER + 2 * ANSWER.length);
  let called = false;
  end.sink.whenRoom(() => called = true);
  assertEquals([called, end.failures], [false, []]);
});

Deno.test("After the end nothing is queued, also in a key exchange", async () => {
  await using end = sinkOn("quick");
  end.sink.close();
  end.sink.hold();
  for (let bytes = 0; bytes <= OUTBOX_LIMIT; bytes += ANSWER.length) end.sink.send(ANSWER);
  assertEquals(end.failures, []);
});
