import { assertEquals, assertRejects } from "@std/assert";
import { ConnectError, ProtocolError } from "../../lib/errors.ts";
import { identificationBytes, readIdentification } from "../../lib/transport/identification.ts";
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
  const { line } = await identify("server", "\x1b[31m\x07Welcome\x7f\x1b[0m\r\n", "SSH-2.0-x\r\n");
  assertEquals(line, "SSH-2.0-x");
  for (const [from, said] of [["server", "\x15\x03\x01\0\x02"], ["client", "\x1b[31m"]] as const) {
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
  await assertRejects(
    () => identify("server", "220 mail.example.com ESMTP\r\n"),
    ConnectError,
    '"220 mail.example.com ESMTP"',
  );
});
