import { assertEquals, assertRejects } from "@std/assert";
import { ConnectError, ProtocolError } from "../../lib/errors.ts";
import { identificationBytes, readIdentification } from "../../lib/transport/identification.ts";
import { streamSocket } from "../../lib/transport/socket.ts";
import { latin1 } from "../support/raw_packets.ts";

/** What a peer that sends these segments, and then ends, is known as. */
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
  ] as const
) {
  Deno.test(`readIdentification accepts a line of ${what} and keeps its bytes`, async () => {
    const { line: read, leftover } = await identify("client", `${line}\r\nrest`);
    assertEquals(identificationBytes(read), latin1(line));
    assertEquals(leftover, latin1("rest"));
  });
}

Deno.test("readIdentification skips a server's lines, and none of a client's", async () => {
  const { line } = await identify("server", "Welcome\r\n", "\n", "SSH-2.0-x\n");
  assertEquals(line, "SSH-2.0-x");
  await assertRejects(() => identify("client", "Welcome\r\nSSH-2.0-x\r\n"), ConnectError, "SSH");
});

Deno.test("readIdentification accepts protocol 1.99 from a server only", async () => {
  assertEquals((await identify("server", "SSH-1.99-x\r\n")).line, "SSH-1.99-x");
  await assertRejects(() => identify("client", "SSH-1.99-x\r\n"), ProtocolError, "1.99");
});

Deno.test("readIdentification reads at most 1024 lines and 64 KiB before the line", async () => {
  const lines = (count: number, length = 1) => `${"x".repeat(length)}\n`.repeat(count);
  assertEquals((await identify("server", lines(1024), "SSH-2.0-x\r\n")).line, "SSH-2.0-x");
  assertEquals((await identify("server", lines(8, 8000), "SSH-2.0-x\r\n")).line, "SSH-2.0-x");
  for (const said of [lines(1025), lines(9, 8000), "x".repeat(8193)]) {
    await assertRejects(() => identify("server", said, "\nSSH-2.0-x\r\n"), ConnectError, '"x');
  }
});

Deno.test("readIdentification quotes what a peer said before it closed the connection", async () => {
  await assertRejects(
    () => identify("server", "220 mail.example.com ESMTP\r\n"),
    ConnectError,
    '"220 mail.example.com ESMTP"',
  );
});
