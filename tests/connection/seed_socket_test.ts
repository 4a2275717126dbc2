/** The seed's features of the channel as a socket, each in both roles. */
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { toText } from "@std/streams";
import { bytesWritten, type Channel, ChannelOpenError, ClosedError } from "@denossh/ssh";
import { inBothRoles, sessionPair } from "./session_pair.ts";
import { until } from "./until.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);
const SMALL = { window: 1024 };

/** A write beyond the window to a peer that has shut down reading. */
async function writeInVain(channel: Channel): Promise<void> {
  const writing = channel.writeAll(new Uint8Array(50_000));
  await assertRejects(() => writing, ClosedError, "reads no more");
}

/** Fills the other end's window of 1024 bytes. */
const fill = (channel: Channel) => channel.writeAll(new Uint8Array(1024));

// A type test: compiles only if a channel is a Deno.Conn.
const asConn: (channel: Channel) => Deno.Conn = (channel) => channel;

inBothRoles("Channel: it is a Deno.Conn", async (ours, theirs) => {
  const conn = asConn(ours);
  conn.ref();
  conn.unref();
  assertEquals(conn.remoteAddr.transport, "tcp"); // a pair in memory has no address
  assertEquals(await conn.write(bytes("over")), 4);
  await conn.closeWrite();
  assertEquals(await toText(theirs.readable), "over");
  await theirs.writeAll(bytes("back"));
  const into = new Uint8Array(9);
  assertEquals(text(into.subarray(0, (await conn.read(into))!)), "back");
  conn.close(); // without await, as with any Deno.Conn
  await ours.closed;
});

inBothRoles("Channel: disposing of it with using closes it", async (ours, theirs) => {
  {
    using conn = asConn(ours);
    await conn.write(bytes("x"));
  }
  await theirs.closed;
});

inBothRoles("Channel: for await reads the chunks up to EOF", async (ours, theirs) => {
  await theirs.writeAll(bytes("one"));
  await theirs.closeWrite();
  const chunks: string[] = [];
  for await (const chunk of ours) chunks.push(text(chunk));
  assertEquals(chunks.join(""), "one");
});

inBothRoles("Channel: leaving for await leaves the channel open", async (ours, theirs) => {
  await theirs.writeAll(bytes("one"));
  for await (const _chunk of ours) break;
  await theirs.writeAll(bytes("two"));
  assertEquals(text((await ours.readChunk())!), "two");
});

inBothRoles("__repr__: a channel shows its number, name and state", async (ours, theirs) => {
  await theirs.writeAll(bytes("hello"));
  await ours.ready("read");
  ours.name = "mine";
  assertEquals(
    Deno.inspect(ours),
    `Channel 0 "mine" (5 bytes unread, window 1019 in, 1024 out)`,
  );
}, SMALL);

inBothRoles("close: later reads and writes fail", async (ours, theirs) => {
  await theirs.writeAll(bytes("unread"));
  await ours.ready("read");
  const closing = ours.close();
  await assertRejects(() => ours.read(new Uint8Array(9)), ClosedError);
  await assertRejects(() => ours.write(bytes("x")), ClosedError);
  assertThrows(() => ours.tryRead(new Uint8Array(9)), ClosedError);
  assertThrows(() => ours.tryWrite(bytes("x")), ClosedError);
  await closing;
  assertEquals(ours.state.phase, "closed");
  assertThrows(() => ours.notify("env"), ClosedError);
});

inBothRoles("close: a pending read sees the end", async (ours) => {
  const reading = ours.read(new Uint8Array(9));
  await ours.close();
  assertEquals(await reading, null);
});

inBothRoles("close: it flushes even if the peer has filled our window", async (ours, theirs) => {
  await fill(ours);
  const flushed = ours.writeAll(bytes("last words"));
  const theirWords = theirs.writeAll(new Uint8Array(3000));
  const closing = ours.close();
  await theirWords; // our window is still granted, though nothing reads
  assertEquals((await toText(theirs.readable)).slice(1024), "last words");
  await Promise.all([flushed, closing]);
}, SMALL);

inBothRoles("recv: at most the size of the buffer, null at the end", async (ours, theirs) => {
  await theirs.writeAll(bytes("abcde"));
  await theirs.closeWrite();
  const into = new Uint8Array(3);
  assertEquals([await ours.read(into), text(into)], [3, "abc"]);
  assertEquals([await ours.read(into), text(into.subarray(0, 2))], [2, "de"]);
  assertEquals(await ours.read(into), null);
});

inBothRoles(
  "recv_ready: readableBytes counts the bytes readable without waiting",
  async (ours, theirs) => {
    assertEquals(ours.readableBytes, 0);
    await theirs.writeAll(bytes("abc"));
    await ours.ready("read");
    assertEquals(ours.readableBytes, 3);
  },
);

inBothRoles("send: as much of the data as the window allows", async (ours, theirs) => {
  assertEquals(await ours.write(new Uint8Array(3000)), 1024);
  assertEquals(ours.writableBytes, 0);
  const rest = ours.write(new Uint8Array(10));
  await theirs.read(new Uint8Array(1024));
  assertEquals(await rest, 10);
}, SMALL);

inBothRoles("send: on an open but closed-for-writing channel it fails", async (ours) => {
  await ours.closeWrite();
  await assertRejects(() => ours.write(bytes("x")), ClosedError, "for writing");
});

inBothRoles("sendall: its error has the number of bytes sent", async (ours, theirs) => {
  const writing = assertRejects(() => ours.writeAll(new Uint8Array(800), new Uint8Array(800)));
  await theirs.ready("read");
  theirs.abort();
  const error = await writing;
  assertInstanceOf(error, ClosedError);
  assertEquals(bytesWritten(error), 1024);
  assertEquals(ours.state.bytesSent, 1024);
  const late = await assertRejects(() => ours.writeAll(bytes("x")), ClosedError);
  assertEquals(bytesWritten(late), 0);
}, SMALL);

inBothRoles("sendall: aborted, it rejects with the same reason", async (ours, theirs) => {
  const aborter = new AbortController();
  const reason = new ClosedError("enough");
  const writing = ours.writeAll(new Uint8Array(3000), { signal: aborter.signal });
  await theirs.ready("read");
  aborter.abort(reason);
  assertEquals(await writing.catch((error) => error) === reason, true);
  assertEquals(ours.state.bytesSent, 1024);
  // The channel continues.
  await theirs.read(new Uint8Array(1024));
  await ours.writeAll(bytes("more"));
  assertEquals(await theirs.read(new Uint8Array(9)), 4);
}, SMALL);

inBothRoles("send_ready: writableBytes is the room in the window", async (ours, theirs) => {
  assertEquals(ours.writableBytes, 1024);
  await fill(ours);
  assertEquals(ours.writableBytes, 0);
  const ready = ours.ready("write");
  await theirs.read(new Uint8Array(1024));
  await ready;
  assert(ours.writableBytes > 0);
}, SMALL);

inBothRoles(
  "send_ready: a closed channel is ready, since it fails immediately",
  async (ours) => {
    await fill(ours);
    const ready = ours.ready("write");
    ours.abort();
    await Promise.all([ready, ours.ready("read"), ours.ready("stderr")]);
  },
  SMALL,
);

inBothRoles("fileno: ready() can be raced and aborted", async (ours, theirs) => {
  const aborter = new AbortController();
  const never = ours.ready("read", { signal: aborter.signal });
  await theirs.ready("write");
  await Promise.race([never, ours.ready("write")]);
  aborter.abort(new Error("other things to do"));
  await assertRejects(() => never, Error, "other things");
});

inBothRoles("settimeout, gettimeout: reads and writes end with TimedOut", async (ours, theirs) => {
  assertEquals(ours.timeout, null);
  ours.timeout = 5;
  const into = new Uint8Array(9);
  await assertRejects(() => ours.read(into), Deno.errors.TimedOut, "5 ms");
  await assertRejects(() => ours.readStderr(into), Deno.errors.TimedOut);
  await assertRejects(() => ours.readChunk(), Deno.errors.TimedOut);
  const error = await assertRejects(
    () => ours.writeAll(new Uint8Array(3000)),
    Deno.errors.TimedOut,
  );
  assertEquals(bytesWritten(error), 1024);
  await assertRejects(() => ours.write(into), Deno.errors.TimedOut);
  // Operations that need not wait still succeed.
  await theirs.writeAll(bytes("abc"));
  await ours.ready("read");
  assertEquals(await ours.read(into), 3);
  ours.timeout = null;
  await theirs.writeAll(bytes("abc"));
  assertEquals(await ours.read(into), 3);
  assertThrows(() => ours.timeout = -1, RangeError);
  assertThrows(() => ours.timeout = NaN, RangeError);
}, SMALL);

inBothRoles("settimeout: writes that time out leave their turn to others", async (ours, theirs) => {
  await fill(ours);
  const patient = ours.writeAll(bytes("first"));
  ours.timeout = 5;
  const impatient = ours.writeAll(bytes("never"));
  ours.timeout = null;
  const last = ours.writeAll(bytes("second"));
  await assertRejects(() => impatient, Deno.errors.TimedOut);
  await theirs.read(new Uint8Array(1024));
  await Promise.all([patient, last]);
  const into = new Uint8Array(99);
  await until(() => theirs.readableBytes >= 11);
  assertEquals(text(into.subarray(0, (await theirs.read(into))!)), "firstsecond");
}, SMALL);

inBothRoles("setblocking(0): a timeout of 0 never waits", async (ours, theirs) => {
  ours.timeout = 0;
  await assertRejects(() => ours.read(new Uint8Array(9)), Deno.errors.TimedOut);
  assertEquals(await ours.write(new Uint8Array(3000)), 1024);
  await assertRejects(() => ours.write(bytes("x")), Deno.errors.TimedOut);
  await theirs.closeWrite();
  await ours.ready("read");
  assertEquals(await ours.read(new Uint8Array(9)), null); // the end counts as data
}, SMALL);

inBothRoles("setblocking(0): tryRead and tryWrite throw WouldBlock", async (ours, theirs) => {
  const into = new Uint8Array(9);
  assertThrows(() => ours.tryRead(into), Deno.errors.WouldBlock);
  assertThrows(() => ours.tryReadStderr(into), Deno.errors.WouldBlock);
  assertEquals(ours.tryWrite(new Uint8Array(3000)), 1024);
  assertThrows(() => ours.tryWrite(into), Deno.errors.WouldBlock);
  assertEquals(ours.tryWrite(new Uint8Array(0)), 0);
  await theirs.writeAll(bytes("abc"));
  await theirs.closeWrite();
  await ours.ready("read");
  assertEquals(ours.tryRead(into), 3);
  await ours.ready("stderr");
  assertEquals([ours.tryRead(into), ours.tryReadStderr(into)], [null, null]);
}, SMALL);

inBothRoles(
  "setblocking(0): tryWrite does not overtake a write that waits",
  async (ours, theirs) => {
    await fill(ours);
    const writing = ours.writeAll(new Uint8Array(2000));
    await theirs.read(new Uint8Array(500));
    assertThrows(() => ours.tryWrite(bytes("x")), Deno.errors.WouldBlock);
    for (let read = 500; read < 3024;) read += (await theirs.read(new Uint8Array(1024)))!;
    await writing;
  },
  SMALL,
);

inBothRoles(
  "per-call signal: reads end with the reason, and lose nothing",
  async (ours, theirs) => {
    const aborter = new AbortController();
    const reading = ours.read(new Uint8Array(9), { signal: aborter.signal });
    aborter.abort("reason");
    assertEquals(await reading.catch((reason) => reason), "reason");
    const refused = ours.readChunk({ signal: aborter.signal }).catch((reason) => reason);
    assertEquals(await refused, "reason");
    await theirs.writeAll(bytes("kept"));
    assertEquals(text((await ours.readChunk({ signal: new AbortController().signal }))!), "kept");
  },
);

for (const how of ["read", 0] as const) {
  inBothRoles(
    `shutdown(${how}): reads fail immediately, and late data is granted and dropped`,
    async (
      ours,
      theirs,
    ) => {
      await theirs.writeAll(bytes("early"));
      await ours.ready("read");
      await ours.shutdown(how);
      await assertRejects(() => ours.read(new Uint8Array(9)), ClosedError, "for reading");
      await assertRejects(() => ours.readStderr(new Uint8Array(9)), ClosedError);
      await writeInVain(theirs);
      assertThrows(() => ours.tryRead(new Uint8Array(9)), ClosedError);
      assertEquals([ours.readableBytes, ours.state.reading], [0, "shut"]);
      await ours.writeAll(bytes("still"));
      assertEquals(text((await theirs.readChunk())!), "still");
    },
    SMALL,
  );
}

for (const how of ["write", 1] as const) {
  inBothRoles(`shutdown(${how}): writes fail immediately, and the peer sees EOF`, async (
    ours,
    theirs,
  ) => {
    const before = ours.writeAll(bytes("before"));
    const shut = ours.shutdown(how);
    await assertRejects(() => ours.writeAll(bytes("after")), ClosedError, "for writing");
    await Promise.all([before, shut]);
    assertEquals(await toText(theirs.readable), "before");
    assertEquals([ours.state.writing, ours.state.phase], ["shut", "open"]);
  });
}

for (const how of ["both", 2] as const) {
  inBothRoles(`shutdown(${how}): neither reads nor writes continue`, async (ours) => {
    await ours.shutdown(how);
    await assertRejects(() => ours.read(new Uint8Array(1)), ClosedError);
    await assertRejects(() => ours.write(bytes("x")), ClosedError);
    assert(ours.isOpen);
  });
}

inBothRoles("shutdown: another word is a TypeError", async (ours) => {
  await assertRejects(() => ours.shutdown("up" as "read"), TypeError, '"up"');
});

inBothRoles("shutdown_write while a write waits does not spin or hang", async (ours, theirs) => {
  await fill(ours);
  const writing = ours.writeAll(bytes("tail"));
  const shut = ours.shutdown("write");
  await assertRejects(() => ours.writeAll(bytes("x")), ClosedError);
  await theirs.read(new Uint8Array(1024));
  await Promise.all([writing, shut]);
}, SMALL);

inBothRoles("cancelling readable while a read waits ends it", async (ours, theirs) => {
  const reader = ours.readable.getReader();
  const reading = reader.read();
  await reader.cancel();
  assertEquals((await reading).done, true);
  await writeInVain(theirs);
}, SMALL);

inBothRoles("__init__: channels have numbers, from the lowest that is free", async (ours) => {
  const { connection } = ours;
  if (connection.role === "server") {
    await assertRejects(() => connection.openChannel("session"), ChannelOpenError); // clients only
    return;
  }
  const first = await connection.openChannel("session");
  const second = await connection.openChannel("session");
  assertEquals([ours.id, first.id, second.id], [0, 1, 2]);
  await first.close();
  const third = await connection.openChannel("session");
  assertEquals(third.id, 1);
  await third.close();
  await second.close();
});

inBothRoles(
  "shutdown_read: data of the other stream is discarded",
  async (ours, theirs) => {
    const reading = ours.read(new Uint8Array(9));
    await ours.shutdown("read");
    assertEquals(await reading, null); // a pending read sees the end
    await theirs.writeAllStderr(new Uint8Array(100)).catch(() => {});
    assertEquals([ours.readableStderrBytes, ours.isOpen], [0, true]);
  },
);

Deno.test("get_id, get_name, set_name: a small number and a label", async () => {
  await using pair = await sessionPair();
  assertEquals([pair.client.id, pair.client.name], [0, "session 0"]);
  pair.client.name = "deploy";
  assertEquals(pair.client.name, "deploy");
});

inBothRoles("open_only: operations after close name the state", async (ours, theirs) => {
  await ours.close();
  await theirs.closed;
  await assertRejects(() => ours.write(bytes("x")), ClosedError, "The channel is closed");
  await assertRejects(() => ours.request("env"), ClosedError, "The channel is closed");
  await assertRejects(() => theirs.write(bytes("x")), ClosedError, "The channel is closed");
});
