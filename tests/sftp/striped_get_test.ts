/** Files that are read over several channels. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { SftpError } from "../../lib/sftp/mod.ts";
import { LongPath, type LongPathOptions } from "./long_path.ts";
import { MemoryServer } from "./memory_server.ts";
import { answerOn } from "./raw.ts";
import { noise, same } from "./world.ts";

const DATA = noise(12 * 1024 * 1024);

/** A path to a server that has the data in `/file`. */
function pathTo(server: MemoryServer, options: Partial<LongPathOptions> = {}): LongPath {
  server.add("/file", DATA);
  return new LongPath(
    { roundTrip: 20, window: 64 * 1024, ...options },
    (channel) => void answerOn(channel, server.answer),
  );
}

/** Gets the file into memory; returns the number of channels. */
async function get(
  channels: number | "auto",
  server = new MemoryServer(),
  meanwhile: (path: LongPath) => void = () => {},
  options: Partial<LongPathOptions> = {},
) {
  using path = pathTo(server, options);
  const sftp = await path.client();
  const chunks: Uint8Array[] = [];
  let begun = false;
  const target = new WritableStream<Uint8Array>({ write: (chunk) => void chunks.push(chunk) });
  await path.run(sftp.get("/file", target, {
    channels,
    inFlight: 256 * 1024,
    onProgress({ transferred }) {
      if (begun || transferred < DATA.length / 3) return;
      begun = true;
      meanwhile(path);
    },
  }));
  let at = 0;
  for (const chunk of chunks) {
    assert(same(chunk, DATA.subarray(at, at + chunk.length)), `${at}`);
    at += chunk.length;
  }
  assertEquals([at, begun], [DATA.length, true]);
  await path.run(sftp.close());
  assertEquals(path.channels.open, 0);
  return { opened: path.channels.opened, handles: handlesRead(server) };
}

/** How many times the file was opened. */
function handlesRead({ log }: MemoryServer): number {
  return log.filter((line) => line.startsWith("OPEN /file")).length;
}

Deno.test("a get uses the requested number of channels, by default one", async () => {
  assertEquals(await get(1), { opened: 1, handles: 1 });
  assertEquals(await get("auto"), { opened: 1, handles: 1 });
  assertEquals(await get(4), { opened: 4, handles: 4 });
});

Deno.test("a get continues without an additional channel that is lost, closed or refused", async () => {
  await get(3, new MemoryServer(), (path) => path.lose());
  await get(3, new MemoryServer(), (path) => path.giveWay());
  const server = new MemoryServer();
  let opened = 0;
  server.refuse = (line) => line.startsWith("OPEN") && ++opened > 1 ? 3 : undefined;
  await get(3, server);
});

Deno.test("a get opens a channel in place of one that is lost with its connection", async () => {
  const lose = (path: LongPath) => path.lose();
  const replaced = await get(3, new MemoryServer(), lose, { connections: 3 });
  assertEquals(replaced, { opened: 4, handles: 4 });
});

Deno.test("a file that is replaced meanwhile is read only in the first session", async () => {
  const server = new MemoryServer();
  const first = () => server.files.get("/file")!;
  let opened = 0;
  server.refuse = (line) => {
    if (line.startsWith("OPEN") && ++opened === 2) {
      server.files.set("/file", { ...first(), data: noise(DATA.length, 5), mtime: 2000 });
    }
    return undefined;
  };
  assertEquals(await get(3, server), { opened: 3, handles: 3 });
});

Deno.test("a lost link fails a get over several channels, and its stream", async () => {
  using path = pathTo(new MemoryServer(), { cutAfter: 8000 });
  const sftp = await path.client();
  let reason: unknown = null;
  const target = new WritableStream({ abort: (cause) => void (reason = cause) });
  const getting = sftp.get("/file", target, { channels: 3 });
  assertEquals(await assertRejects(() => path.run(getting), SftpError), reason);
});
