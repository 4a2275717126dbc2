import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ConnectError, ProtocolError } from "../../lib/errors.ts";
import {
  IDENTIFICATION,
  identificationBytes,
  readIdentification,
  withAddendum,
} from "../../lib/transport/identification.ts";
import { streamSocket } from "../../lib/transport/socket.ts";
import { latin1 } from "../support/raw_packets.ts";
import { plainMessage } from "../../lib/error_messages.ts";

/** The identification of a peer that sends these segments and then EOF. */
async function identify(from: "client" | "server", ...segments: string[]) {
  const readable = ReadableStream.from(segments.map(latin1));
  const socket = streamSocket({ readable, writable: new WritableStream() });
  return await readIdentification(socket, from);
}

for (
  const [what, line] of [
    ["300 bytes", `SSH-2.0-server ${"x".repeat(300)}`],
    ["8191 bytes and CR", `SSH-2.0-${"x".repeat(8183)}`],
    ["bytes that are not ASCII", "SSH-2.0-caf\xe9\x80\x9f"],
    ["no software version", "SSH-2.0-"],
    ["a tab, and a blank at its end", "SSH-2.0-x\ty "],
  ] as const
) {
  Deno.test(`readIdentification accepts a line of ${what} and keeps its bytes`, async () => {
    const { line: read, leftover } = await identify("client", `${line}\r\nrest`);
    assertEquals(identificationBytes(read), latin1(line));
    assertEquals(leftover, latin1("rest"));
  });
}

Deno.test("readIdentification skips a server's lines, but not a client's", async () => {
  const { line } = await identify("server", "Welcome\r\n", "\n", "SSH-2.0-x\n");
  assertEquals(line, "SSH-2.0-x");
  await assertRejects(() => identify("client", "Welcome\r\nSSH-2.0-x\r\n"), ConnectError, "SSH");
});

Deno.test("readIdentification accepts the same protocol 2 versions as OpenSSH", async () => {
  for (const from of ["client", "server"] as const) {
    for (const line of ["SSH-1.99-x", "SSH-2.0-x", "SSH-2.1-x"]) {
      assertEquals((await identify(from, `${line}\r\n`)).line, line);
    }
    for (const version of ["1.5", "1.9", "2", "20.0", "3.0", "2.0x"]) {
      await assertRejects(() => identify(from, `SSH-${version}-x\r\n`), ProtocolError, version);
    }
  }
});

Deno.test("readIdentification refuses lines without a version, or without a dash after it", async () => {
  for (const from of ["client", "server"] as const) {
    for (const line of ["SSH-", "SSH-2.0", "SSH-2.0 x"]) {
      await assertRejects(() => identify(from, `${line}\r\n`), ProtocolError, "Malformed");
    }
    const error = await assertRejects(() => identify(from, "SSH-1.5\x1b-x\r\n")) as Error;
    assertEquals(error instanceof ProtocolError || error instanceof ConnectError, true);
    const old = await assertRejects(() => identify(from, "SSH-1.5-x\r\n"), ProtocolError);
    assertEquals(old.disconnectReason, 8);
    assertEquals(plainMessage(old), `The ${from} speaks SSH protocol 1.5, not 2.0`);
  }
});

Deno.test("readIdentification skips a server's lines with colors, but refuses binary data", async () => {
  const greeting = "\x1b[31m\x01\x07Welcome\x7f\x1b[0m\r\n";
  const { line } = await identify("server", greeting, "SSH-2.0-x\r\n");
  assertEquals(line, "SSH-2.0-x");
  for (const [from, said] of [["server", "\x15\x03\0\x02"], ["client", "\x1b[31m"]] as const) {
    await assertRejects(() => identify(from, `${said}\r\nSSH-2.0-x\r\n`), ConnectError);
  }
  await assertRejects(() => identify("server", "SSH-2.0-\x1b[31m\r\n"), ConnectError, "SSH-2.0-");
});

Deno.test("readIdentification reads at most 1024 lines and 64 KiB before the line", async () => {
  const lines = (count: number, length = 1) => `${"x".repeat(length)}\n`.repeat(count);
  assertEquals((await identify("server", lines(1024), "SSH-2.0-x\r\n")).line, "SSH-2.0-x");
  assertEquals((await identify("server", lines(8, 8000), "SSH-2.0-x\r\n")).line, "SSH-2.0-x");
  assertEquals((await identify("server", lines(8, 8191), "SSH-2.0-x\r\n")).line, "SSH-2.0-x");
  const more = () => identify("server", lines(1025), "SSH-2.0-x\r\n");
  await assertRejects(more, ConnectError, '"x');
  for (const said of [lines(1025), lines(8, 8191) + "\n", "x".repeat(8193)]) {
    await assertRejects(() => identify("server", said, "\nSSH-2.0-x\r\n"), ConnectError, '"x');
  }
});

Deno.test("readIdentification quotes the peer's text before it closed the connection", async () => {
  for (const said of ["220 mail.example.com ESMTP\r\n", "220 mail.", "220 mail.\r\nHELP"]) {
    const error = await assertRejects(() => identify("server", said), ConnectError);
    const [first] = said.split("\r\n");
    assertEquals(
      plainMessage(error),
      `The server closed the connection before it identified itself: "${first}"`,
    );
  }
});

const refused: [from: "client" | "server", said: string, message: string][] = [
  ["client", "G", 'The client does not speak SSH: it said "G"'],
  ["client", "\n", "The client does not speak SSH: it sends binary data"],
  ["client", " ", "The client does not speak SSH: it sends binary data"],
  [
    "server",
    `HTTP/1.1 400 ${"x".repeat(100)}\r\n`,
    `The server does not speak SSH: it said "HTTP/1.1 400 ${"x".repeat(67)}…"; ` +
    "check the host and the port",
  ],
  [
    "server",
    `SSH-1.${"5".repeat(30)}-x\r\n`,
    `The server speaks SSH protocol 1.${"5".repeat(14)}…, not 2.0`,
  ],
];
for (const [from, said, message] of refused) {
  Deno.test(`readIdentification refuses ${JSON.stringify(said.slice(0, 8))} of a ${from} at once`, async () => {
    // It sends nothing more, and does not end.
    const readable = new ReadableStream<Uint8Array>({ start: (to) => to.enqueue(latin1(said)) });
    const socket = streamSocket({ readable, writable: new WritableStream() });
    const error = await assertRejects(() => readIdentification(socket, from), Error);
    assertEquals(plainMessage(error), message);
  });
}

Deno.test("readIdentification quotes without control characters", async () => {
  const error = await assertRejects(() => identify("server", "\x1b[31mWelcome\r\n"), ConnectError);
  assertEquals(
    plainMessage(error),
    'The server closed the connection before it identified itself: "[31mWelcome"',
  );
});

Deno.test("withAddendum appends printable ASCII up to 253 characters in all", () => {
  assertEquals(withAddendum(), IDENTIFICATION);
  assertEquals(withAddendum("~ x"), `${IDENTIFICATION} ~ x`);
  const most = 253 - IDENTIFICATION.length - 1;
  assertEquals(withAddendum("x".repeat(most)).length, 253);
  for (const text of ["caf\xe9", "a\nb", "\x7f", "x".repeat(most + 1)]) {
    assertThrows(() => withAddendum(text), TypeError, `up to ${most} printable ASCII`);
  }
});
