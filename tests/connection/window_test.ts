import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ReceiveWindow, SendWindow } from "../../lib/connection/window.ts";
import { ProtocolError } from "../../lib/errors.ts";

Deno.test("ReceiveWindow gives back everything that was consumed, never more", () => {
  const window = new ReceiveWindow(8000);
  let seed = 12345;
  const random = (below: number) => (seed = (seed * 1103515245 + 12345) >>> 0) % below;
  let buffered = 0;
  let sent = 0;
  let credited = 0;
  for (let round = 0; round < 10_000; round++) {
    const n = random(window.available + 1);
    window.receive(n);
    buffered += n;
    sent += n;
    const taken = random(buffered + 1);
    credited += window.consume(taken);
    buffered -= taken;
    assertEquals(window.available, 8000 - sent + credited);
    // What the peer may still send and what we hold never exceed the window.
    if (window.available + buffered > 8000) throw new Error("window exceeded");
  }
});

Deno.test("ReceiveWindow refuses a byte too many", () => {
  const window = new ReceiveWindow(1024);
  window.receive(1024);
  assertThrows(() => window.receive(1), ProtocolError, "beyond the window");
});

Deno.test("SendWindow grows to 2^32 - 1 and no further", () => {
  const window = new SendWindow(1);
  window.grow(0xffff_fffe);
  assertEquals(window.available, 0xffff_ffff);
  assertThrows(() => window.grow(1), ProtocolError, "2^32 - 1");
});

Deno.test("SendWindow.wait ends with credit or with the error", async () => {
  const window = new SendWindow(0);
  const waiting = window.wait();
  window.grow(5);
  await waiting;
  window.take(5);
  const failing = assertRejects(() => window.wait(), Error, "gone");
  window.close(new Error("gone"));
  await failing;
  await assertRejects(() => window.wait(), Error, "gone");
});
