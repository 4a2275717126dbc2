import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { ScpError, ScpProtocol } from "../../lib/cli/scp/scp_protocol.ts";
import { receiveAll } from "../../lib/cli/scp/sink.ts";
import { sendAll } from "../../lib/cli/scp/source.ts";
import { tempFolder } from "../support/temp.ts";
import { channelPair } from "../sftp/world.ts";
import { FakeTime } from "../support/fake_time.ts";

interface Taken {
  readonly error: Error | null;
  readonly failed: readonly string[];
  /** The sink's output to the source. */
  readonly said: string;
}

/** Our sink with a source that sends anything, and then hangs up. */
async function take(
  target: string,
  said: string,
  options: { recursive?: boolean; preserve?: boolean; expected?: (name: string) => boolean } = {},
): Promise<Taken> {
  const [near, far] = channelPair();
  const failed: string[] = [];
  await far.writeAll(new TextEncoder().encode(said));
  await far.closeWrite();
  const error = await receiveAll(target, new ScpProtocol(near), {
    recursive: false,
    preserve: false,
    intoFolder: false,
    expected: () => true,
    signal: new AbortController().signal,
    rate: null,
    failed: (message) => failed.push(message),
    ...options,
  }).then(() => null, (cause) => cause as Error);
  await near.closeWrite();
  let answers = "";
  for (let chunk; (chunk = await far.readChunk()) !== null;) {
    answers += new TextDecoder().decode(chunk);
  }
  return { error, failed, said: answers };
}

for (
  const [what, said] of Object.entries({
    "a name with a slash": "C0644 1 a/b\nx\0",
    "an absolute name": "C0644 1 /etc/x\nx\0",
    "..": "D0755 0 ..\nC0644 1 x\nx\0E\n",
    ".": "D0555 0 .\nE\n",
    "an empty name": "D0555 0 \nE\n",
    "a name with an escape": "C0644 1 a\x1b[2J\nx\0",
    "a folder that was not asked for": "D0755 0 folder\nE\n",
    "the end of a folder that did not begin": "E\n",
    "a size of 2^63": "C0644 9223372036854775808 big\n",
    "a negative size": "C0644 -1 big\n",
    "a mode that is none": "C9999 1 x\nx\0",
    "times that make no sense": "Tsoon 0 later 0\n",
    "something else": "HTTP/1.1 400 Bad Request\r\n",
    "a line without an end": "C".repeat(10_000),
    "a file that ends early": "C0644 100 short\nabc",
  })
) {
  Deno.test(`a source that sends ${what} is refused`, async () => {
    await using folder = await tempFolder();
    await Deno.mkdir(folder.join("here/inside"), { recursive: true });
    const { error } = await take(folder.join("here/inside"), said);
    assertEquals(error instanceof ScpError, true, `${error}`);
    const names = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name);
    assertEquals(names(folder.path), ["here"]);
    assertEquals(names(folder.join("here")), ["inside"]);
    assertEquals(names(folder.join("here/inside")).filter((name) => name !== "short"), []);
  });
}

Deno.test("a source that sends a file that was not requested is refused (CVE-2019-6111)", async () => {
  await using folder = await tempFolder();
  const expected = (name: string) => name === "wanted";
  const { error, said } = await take(folder.path, "C0644 1 .bashrc\nx\0", { expected });
  assertStringIncludes(`${error}`, "filename does not match request: .bashrc");
  assertStringIncludes(said, "filename does not match request");
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

for (const preserve of [false, true]) {
  Deno.test(`the set-id bits of a source's file are not set locally (CVE-2026-35385, preserve: ${preserve})`, async () => {
    await using folder = await tempFolder();
    const to = folder.join("to");
    await Deno.mkdir(to);
    const said = "C6755 1 file\nx\0D7755 0 folder\nE\n";
    assertEquals((await take(to, said, { recursive: true, preserve })).error, null);
    for (const name of ["file", "folder"]) {
      assertEquals((await Deno.stat(`${to}/${name}`)).mode! & 0o7000, 0, name);
    }
  });
}

Deno.test("a source continues after a warning, and ends at an error", async () => {
  await using folder = await tempFolder();
  const goesOn = await take(folder.path, "\x01scp: a: No such file\nC0644 1 b\nx\0");
  assertEquals([goesOn.error, goesOn.failed], [null, ["scp: a: No such file"]]);
  assertEquals(await Deno.readTextFile(folder.join("b")), "x");
  const givesUp = await take(folder.path, "\x02scp: out of \x1b[31mpaper\n");
  assertStringIncludes(`${givesUp.error}`, "out of [31mpaper");
});

Deno.test("endlessly nested folders are refused", async () => {
  await using folder = await tempFolder();
  const { error } = await take(folder.path, "D0755 0 d\n".repeat(300), { recursive: true });
  assertStringIncludes(`${error}`, "too deep");
});

Deno.test("files that cannot be written are reported, and the rest is written", async () => {
  await using folder = await tempFolder();
  await Deno.mkdir(folder.join("taken"));
  const { error, failed, said } = await take(folder.join("taken/none/deeper"), "C0644 1 a\n");
  assertEquals([error, failed.length], [null, 1]);
  assertStringIncludes(said, "\x01scp: ");
});

/** Our source and our sink, connected. */
async function copy(
  paths: string[],
  target: string,
  options: { recursive?: boolean; preserve?: boolean; rate?: number } = {},
): Promise<string[]> {
  const [near, far] = channelPair();
  const failed: string[] = [];
  const shared = {
    recursive: false,
    preserve: false,
    signal: new AbortController().signal,
    rate: null,
    failed: (message: string) => failed.push(message),
    ...options,
  };
  const sending = sendAll(paths, new ScpProtocol(near), shared).then(() => near.closeWrite());
  const sink = { ...shared, intoFolder: false, expected: () => true };
  await receiveAll(target, new ScpProtocol(far), sink);
  await sending;
  return failed;
}

Deno.test("source and sink carry folders, modes and times", async () => {
  await using folder = await tempFolder();
  await Deno.mkdir(folder.join("from/sub"), { recursive: true });
  await folder.write("from/a", "a".repeat(300_000), 0o640);
  await folder.write("from/sub/empty", "", 0o600);
  await Deno.chmod(folder.join("from/sub"), 0o750);
  await Deno.utime(folder.join("from/a"), 1_000_000_000, 1_000_000_000);
  const options = { recursive: true, preserve: true };
  assertEquals(await copy([folder.join("from")], folder.join("to"), options), []);
  assertEquals(await Deno.readTextFile(folder.join("to/a")), "a".repeat(300_000));
  const info = await Deno.stat(folder.join("to/a"));
  assertEquals([info.mode! & 0o777, info.mtime], [0o640, new Date(1e12)]);
  assertEquals((await Deno.stat(folder.join("to/sub"))).mode! & 0o777, 0o750);
  assertEquals((await Deno.stat(folder.join("to/sub/empty"))).size, 0);
});

Deno.test("source and sink keep to a rate limit, and lose no data", async () => {
  await using folder = await tempFolder();
  const from = await folder.write("from", "x".repeat(10_000));
  using time = new FakeTime();
  assertEquals(await time.settle(copy([from], folder.join("to"), { rate: 50_000 })), []);
  assert(time.now >= 200, "ten thousand bytes take a fifth of a second");
  assertEquals((await Deno.stat(folder.join("to"))).size, 10_000);
});

Deno.test("a shorter file replaces a longer one completely", async () => {
  await using folder = await tempFolder();
  const from = await folder.write("from", "short");
  const to = await folder.write("to", "much, much longer");
  assertEquals(await copy([from], to), []);
  assertEquals(await Deno.readTextFile(to), "short");
});

Deno.test("files that cannot be sent are reported on both sides, and the rest is sent", async () => {
  await using folder = await tempFolder();
  await Deno.mkdir(folder.join("to"));
  await Deno.mkdir(folder.join("folder"));
  const last = await folder.write("last", "x");
  const failed = await copy([folder.join("none"), folder.join("folder"), last], folder.join("to"));
  assertEquals(failed.length, 4);
  assertEquals(await Deno.readTextFile(folder.join("to/last")), "x");
});

Deno.test("a sink that hangs up ends the source with an error", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("file", "x");
  const [near, far] = channelPair();
  await far.writeAll(new Uint8Array([0, 0]));
  await far.closeWrite();
  const options = { recursive: false, preserve: false, rate: null, failed: () => {} };
  const signal = new AbortController().signal;
  await assertRejects(
    () => sendAll([path], new ScpProtocol(near), { ...options, signal }),
    ScpError,
    "closed the connection",
  );
});
