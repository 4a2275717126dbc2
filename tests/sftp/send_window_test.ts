import { assertEquals } from "@std/assert";
import { SFTP_IN_FLIGHT } from "../../lib/defaults.ts";
import { SendWindow } from "../../lib/sftp/remote/send_window.ts";

const KIB = 1024;

Deno.test("nothing limits what is in flight before a loss, nor after one that cost less than was answered", () => {
  const window = new SendWindow();
  window.sent(100 * KIB);
  window.answered(60 * KIB);
  window.lost();
  window.sent(SFTP_IN_FLIGHT);
  assertEquals([window.isOpen, window.largest], [true, Infinity]);
});

Deno.test("each loss of more than was answered halves the window, down to 4 KiB", () => {
  const window = new SendWindow();
  window.sent(64 * KIB);
  for (const size of [32, 16, 8, 4, 4]) {
    window.lost();
    assertEquals(window.largest, size * KIB / 2);
    window.sent(size * KIB - 1);
    assertEquals(window.isOpen, true);
    window.sent(2 * KIB);
    assertEquals(window.isOpen, false);
  }
});

Deno.test("the window grows by what is answered, and the next channel starts as this one", () => {
  const window = new SendWindow();
  window.sent(64 * KIB);
  window.lost();
  window.sent(32 * KIB);
  assertEquals(window.isOpen, false);
  window.answered(32 * KIB);
  assertEquals(window.largest, 32 * KIB);
  window.sent(30 * KIB);
  window.lost();
  assertEquals(window.largest, 16 * KIB);
});

Deno.test("a window that has grown to what a transfer may have in flight limits no longer", () => {
  const window = new SendWindow();
  window.sent(64 * KIB);
  window.lost();
  window.sent(SFTP_IN_FLIGHT);
  window.answered(SFTP_IN_FLIGHT);
  assertEquals(window.largest, Infinity);
  window.lost();
  assertEquals(window.largest, Infinity);
});
