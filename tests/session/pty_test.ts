import { assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../lib/errors.ts";
import { decodePty } from "../../lib/session/pty.ts";
import { PtyReq } from "../../lib/wire/requests.ts";

const asked = { term: "xterm", columns: 80, rows: 24, width: 640, height: 480 };

function modesOf(...bytes: number[]) {
  return decodePty(PtyReq.encode({ ...asked, modes: Uint8Array.from(bytes) })).modes;
}

const modes: [string, number[], Record<string, number>][] = [
  ["nothing", [], {}],
  ["an end", [0], {}],
  ["a mode without an end after it", [53, 0, 0, 0, 1], { ECHO: 1 }],
  ["two modes", [1, 0, 0, 0, 3, 129, 0, 0, 150, 0, 0], { VINTR: 3, TTY_OP_OSPEED: 38_400 }],
  ["a mode after the end", [0, 53, 0, 0, 0, 1], {}],
  ["a mode that is unknown, and one after it", [159, 0, 0, 0, 9, 53, 0, 0, 0, 1], { ECHO: 1 }],
  // RFC 4254 §8: from opcode 160 on the length of the argument is unknown.
  ["an opcode without a known argument", [160, 53, 0, 0, 0, 1], {}],
  ["the last opcode", [255, 1], {}],
];
for (const [what, bytes, expected] of modes) {
  Deno.test(`Terminal modes with ${what} are parsed`, () => {
    assertEquals(modesOf(...bytes), expected);
  });
}

Deno.test("Terminal modes whose value is cut off are malformed", () => {
  for (const bytes of [[53], [53, 0], [53, 0, 0, 1], [53, 0, 0, 0, 1, 53, 0, 0]]) {
    assertThrows(() => modesOf(...bytes), ProtocolError, "Terminal modes end too early");
  }
});

Deno.test("A terminal has its name and size", () => {
  const pty = decodePty(PtyReq.encode({ ...asked, modes: new Uint8Array(0) }));
  assertEquals(pty, { ...asked, modes: {} });
});
