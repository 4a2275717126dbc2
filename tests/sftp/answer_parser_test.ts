/** Answers in chunks of any size: data goes to its READ's buffer, everything else to the session. */
import { assertEquals, assertThrows } from "@std/assert";
import { SFTP_MAX_MESSAGE } from "../../lib/defaults.ts";
import { ProtocolError } from "../../lib/errors.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { FXP } from "../../lib/sftp/protocol/numbers.ts";
import { AnswerParser, type PendingRead } from "../../lib/sftp/remote/answer_parser.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { frame, status } from "./raw.ts";
import { noise } from "./world.ts";

/** READs by id, and the calls to the session. */
function parser(reads: Record<number, PendingRead> = {}): { push: AnswerParser; told: string[] } {
  const told: string[] = [];
  const push = new AnswerParser({
    begun(type, id, length) {
      told.push(`begun ${type} ${id} ${length}`);
      return reads[id] ?? null;
    },
    filled: (id, bytes) => void told.push(`filled ${id} ${bytes}`),
    spoiled: (id, problem) => void told.push(`spoiled ${id} ${problem}`),
    answered: (type, id, body) => void told.push(`answered ${type} ${id} ${[...body].join()}`),
  });
  return { push, told };
}

/** Pushes bytes in pieces of this length, in a reused buffer. */
function inPieces(parser: AnswerParser, bytes: Uint8Array, length: number): void {
  const memory = new Uint8Array(length);
  for (let at = 0; at < bytes.length; at += length) {
    const piece = bytes.subarray(at, at + length);
    memory.set(piece);
    parser.push(memory.subarray(0, piece.length));
    memory.fill(0xee);
  }
}

function joined(...frames: Uint8Array[]): Uint8Array {
  return new Uint8Array(frames.flatMap((frame) => [...frame]));
}

const data = noise(300);

Deno.test("messages are the same in any chunks", () => {
  const stream = joined(
    status(1, 4, "no"),
    msg.Data.encode(2, { data }),
    frame(FXP.HANDLE, 3),
    frame(FXP.DATA, 4, new Writer().string(data.subarray(0, 5)).bytes(new Uint8Array(3)).take()),
    msg.Data.encode(5, { data: data.subarray(0, 7) }),
    msg.Data.encode(6, { data: new Uint8Array(0) }),
    msg.Handle.encode(7, { handle: new Uint8Array([9]) }),
  );
  for (let length = 1; length <= 40; length++) {
    const memory = [new Uint8Array(300), new Uint8Array(5), new Uint8Array(7)];
    const taken = [0, 0, 0];
    const read = (index: number, length: number): PendingRead => ({
      length,
      into: () => {
        taken[index]!++;
        return memory[index]!;
      },
    });
    const { push, told } = parser({
      2: read(0, 300),
      4: read(1, 10),
      5: read(2, 7),
      6: { length: 9, into: () => assertEquals("memory", "none") as never },
    });
    inPieces(push, stream, length);
    assertEquals(told, [
      `begun 101 1 14`,
      `answered 101 1 0,0,0,4,0,0,0,2,110,111,0,0,0,0`,
      "begun 103 2 304",
      "filled 2 300",
      "begun 102 3 0",
      "answered 102 3 ",
      "begun 103 4 12",
      "filled 4 5",
      "begun 103 5 11",
      "filled 5 7",
      "begun 103 6 4",
      "filled 6 0",
      "begun 102 7 5",
      "answered 102 7 0,0,0,1,9",
    ], `${length}`);
    assertEquals(memory, [data, data.subarray(0, 5), data.subarray(0, 7)]);
    assertEquals([taken, push.inside], [[1, 1, 1], false]);
  }
});

Deno.test("data for an abandoned READ is skipped", () => {
  for (const length of [1, 7, 1000]) {
    const { push, told } = parser({ 1: { length: 300, into: null } });
    inPieces(push, joined(msg.Data.encode(1, { data }), status(2, 0)), length);
    assertEquals(told.slice(0, 3), ["begun 103 1 304", "filled 1 300", "begun 101 2 12"]);
    assertEquals(told.length, 4);
  }
});

Deno.test("data too long for its message or its READ fails the READ, and is skipped", () => {
  const cases: [claimed: number, bytes: number, wanted: number, outcome: string][] = [
    [301, 300, 400, "spoiled 1 the data is longer than its message"],
    [0xffff_ffff, 0, 400, "spoiled 1 the data is longer than its message"],
    [300, 300, 299, "spoiled 1 more data than was asked for"],
    [300, 300, 300, "filled 1 300"],
    [299, 300, 299, "filled 1 299"],
  ];
  for (const [claimed, bytes, wanted, outcome] of cases) {
    for (const length of [1, 13, 1000]) {
      const memory = new Uint8Array(wanted);
      const { push, told } = parser({ 1: { length: wanted, into: () => memory } });
      const body = new Writer().u32(claimed).bytes(data.subarray(0, bytes)).take();
      inPieces(push, joined(frame(FXP.DATA, 1, body), status(2, 0)), length);
      assertEquals(told.slice(1, 3), [outcome, "begun 101 2 12"]);
      const filled = outcome.startsWith("filled") ? claimed : 0;
      assertEquals(memory.subarray(0, filled), data.subarray(0, filled));
      assertEquals(memory.subarray(filled).every((byte) => byte === 0), true);
    }
  }
});

Deno.test("data without a length field is passed to the session", () => {
  for (const bytes of [0, 1, 3]) {
    const { push, told } = parser({ 1: { length: 9, into: () => new Uint8Array(9) } });
    inPieces(push, frame(FXP.DATA, 1, new Uint8Array(bytes)), 2);
    assertEquals(told[1], `answered 103 1 ${Array(bytes).fill(0).join()}`);
  }
});

Deno.test("the parser knows at every byte whether a message is incomplete", () => {
  const { push } = parser({ 2: { length: 3, into: () => new Uint8Array(3) } });
  for (const message of [status(1, 0), msg.Data.encode(2, { data: data.subarray(0, 3) })]) {
    assertEquals(push.inside, false);
    for (const byte of message.subarray(0, -1)) {
      push.push(new Uint8Array([byte]));
      assertEquals(push.inside, true);
    }
    push.push(message.subarray(-1));
  }
  assertEquals(push.inside, false);
});

Deno.test("a length below the header is refused at its last byte, one above the limit with the header", () => {
  for (const length of [0, 1, 4]) {
    const { push, told } = parser();
    push.push(new Uint8Array([0, 0, 0]));
    assertThrows(
      () => push.push(new Uint8Array([length])),
      ProtocolError,
      "Impossible message length",
    );
    assertEquals(told, []);
  }
  parser().push.push(new Uint8Array([0, 0, 0, 5]));
  const longest = parser();
  longest.push.push(frame(FXP.NAME, 1, new Uint8Array(0), 5 + SFTP_MAX_MESSAGE));
  assertEquals(longest.told, [`begun 104 1 ${SFTP_MAX_MESSAGE}`]);
  const { push } = parser();
  const header = frame(FXP.NAME, 1, new Uint8Array(0), 6 + SFTP_MAX_MESSAGE);
  assertThrows(() => push.push(header), ProtocolError, "Impossible message length");
});

Deno.test("the session's error for an unknown answer ends the parsing", () => {
  const push = new AnswerParser({
    begun: () => {
      throw new ProtocolError("not made");
    },
    filled: () => {},
    spoiled: () => {},
    answered: () => {},
  });
  assertThrows(() => push.push(status(1, 0)), ProtocolError, "not made");
});
