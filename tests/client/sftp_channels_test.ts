/** SFTP over several channels of one connection: its share of the server's sessions. */
import { assert, assertEquals } from "@std/assert";
import type { Channel, TraceEvent } from "@denossh/ssh";
import { localFiles, type SessionHandler } from "@denossh/ssh/server";
import { serveSftp, streamChannel } from "@denossh/ssh/sftp";
import { connectedPair } from "@denossh/ssh/testing";
import { numbersHandles, takesDataAtOnce } from "../../lib/sftp/protocol/server_quirks.ts";
import { IDENTIFICATION } from "../../lib/transport/identification.ts";
import { Transport } from "../../lib/transport/transport.ts";
import { noise } from "../support/random.ts";
import { replaced } from "../support/replaced.ts";
import { folder, same } from "../sftp/world.ts";

const DATA = noise(8 * 1024 * 1024);

for (const sessions of [1, 2, 3]) {
  Deno.test(`a put over four channels leaves room for a command among ${sessions} sessions`, async () => {
    await using root = await folder();
    await using pair = await connectedPair({
      serve: { sftp: localFiles({ root: root.path }), maxSessions: sessions },
      handler: (session) => session.print("ran"),
    });
    const sftp = await pair.host.sftp();
    const notes: string[] = [];
    let running: Promise<string> | null = null;
    await sftp.put(DATA, "/file", {
      channels: 4,
      onNote: (note) => void notes.push(note),
      onProgress({ transferred }) {
        if (transferred > DATA.length / 2) running ??= pair.host.run("ls");
      },
    });
    assert(same(await Deno.readFile(`${root.path}/file`), DATA));
    assertEquals(notes[0], "Spreading over 4 channels: as asked for");
    // With several channels, one may have been closed for the command by then.
    assert(notes.some((note) => note.endsWith("there is no room for another session")), `${notes}`);
    if (sessions === 1) await sftp.close();
    assertEquals(await running, "ran");
    await sftp.close();
  });
}

Deno.test("a further session does not wait for the answer to its subsystem request", async () => {
  await using root = await folder();
  const events: TraceEvent[] = [];
  await using pair = await connectedPair({
    connect: { trace: (event) => events.push(event) },
    serve: { sftp: localFiles({ root: root.path }) },
    handler: () => {},
  });
  await using sftp = await pair.host.sftp();
  await sftp.put(DATA, "/file", { channels: 2 });
  assert(same(await Deno.readFile(`${root.path}/file`), DATA));
  const begun = events.filter(({ name, fields }) =>
    fields.recipient === 1 && name !== "CHANNEL_OPEN"
  );
  assertEquals(begun.slice(1, 3).map(({ direction, name }) => `${direction} ${name}`), [
    "sent CHANNEL_REQUEST",
    "sent CHANNEL_DATA",
  ]);
});

Deno.test("a put continues without further sessions whose subsystem is refused", async () => {
  await using root = await folder();
  let asked = 0;
  await using pair = await connectedPair({
    serve: { sftp: () => asked++ === 0 ? localFiles({ root: root.path }) : null },
    handler: () => {},
  });
  await using sftp = await pair.host.sftp();
  await sftp.put(DATA, "/file", { channels: 3 });
  assert(same(await Deno.readFile(`${root.path}/file`), DATA));
  assertEquals(asked, 3);
});

Deno.test("only known servers get data before an answer", () => {
  const names = ["OpenSSH_9.2p1 Debian-2", "denossh_0.1.0", "AsyncSSH_2.24.0", "XOpenSSH_1"];
  const lines = names.map((name) => `SSH-2.0-${name}`);
  assertEquals(lines.map(takesDataAtOnce), [false, true, false, false]);
  assertEquals(lines.map(numbersHandles), [true, false, false, false]);
});

Deno.test("ProFTPD gets the messages of one channel at a time", async () => {
  await using root = await folder();
  const server = "SSH-2.0-mod_sftp";
  using _ = replaced(Transport.prototype, "identification", { client: IDENTIFICATION, server });
  // Like mod_sftp, which keeps one unfinished message for all channels.
  let unfinished: Channel | null = null;
  let [mixed, divided] = [0, 0];
  const sftp: SessionHandler = async ({ channel, stdout }) => {
    const arrived = new TransformStream<Uint8Array, Uint8Array>();
    const messages = arrived.writable.getWriter();
    const left = new BytesLeft();
    const consumed = channel.consume((bytes) => {
      if (unfinished !== null && unfinished !== channel) mixed++;
      unfinished = left.after(bytes) === 0 ? null : channel;
      if (unfinished !== null) divided++;
      messages.write(bytes.slice()).catch(() => {});
    });
    consumed.then(() => messages.close()).catch(() => {});
    await serveSftp(streamChannel(arrived.readable, stdout), localFiles({ root: root.path }));
  };
  await using pair = await connectedPair({ serve: { window: 64 * 1024, subsystems: { sftp } } });
  await Promise.all(["/a", "/b"].map(async (name) => {
    await using sftp = await pair.host.sftp();
    await sftp.put(DATA, name, { channels: 3 });
  }));
  for (const name of ["a", "b"]) assert(same(await Deno.readFile(`${root.path}/${name}`), DATA));
  assert(divided > 0);
  assertEquals(mixed, 0);
});

/** Counts the bytes up to the end of the current SFTP message. */
class BytesLeft {
  #header: number[] = [];
  #left = 0;

  after(bytes: Uint8Array): number {
    for (let at = 0; at < bytes.length;) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, bytes.length - at);
        this.#left -= taken;
        at += taken;
      } else {
        this.#header.push(bytes[at++]!);
        if (this.#header.length < 4) continue;
        this.#left = this.#header.reduce((length, byte) => 256 * length + byte);
        this.#header = [];
      }
    }
    return this.#header.length > 0 ? 4 - this.#header.length : this.#left;
  }
}
