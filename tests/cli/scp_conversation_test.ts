/** Both halves of the scp protocol, line by line. */
import { assert, assertEquals } from "@std/assert";
import { ScpError, ScpProtocol } from "../../lib/cli/scp/scp_protocol.ts";
import { receiveAll } from "../../lib/cli/scp/sink.ts";
import { sendAll } from "../../lib/cli/scp/source.ts";
import type { SftpChannel } from "../../lib/sftp/mod.ts";
import { replacedFiles, replacedOpenFiles } from "../sftp/local_files.ts";
import { channelPair, noise, same } from "../sftp/world.ts";
import { tempFolder } from "../support/temp.ts";
import { WITHOUT_DESCRIPTORS } from "../support/old_deno.ts";

const OK = "\0";

interface Options {
  readonly recursive?: boolean;
  readonly preserve?: boolean;
  readonly intoFolder?: boolean;
  readonly expected?: (name: string) => boolean;
  readonly onProgress?: (name: string, transferred: number, total: number) => void;
  readonly signal?: AbortSignal;
}

interface Outcome {
  readonly error: Error | null;
  readonly failed: string[];
  /** Our half's output, with acknowledgements as dots. */
  readonly said: string;
}

function shared(options: Options, failed: string[]) {
  return {
    recursive: false,
    preserve: false,
    signal: new AbortController().signal,
    rate: null,
    failed: (message: string) => void failed.push(message),
    ...options,
  };
}

/** Runs our half with the other half's messages sent in advance. */
async function against(
  said: string | Uint8Array,
  run: (scp: ScpProtocol, failed: string[]) => Promise<void>,
): Promise<Outcome> {
  const [near, far] = channelPair({ limit: 1 << 24 });
  await far.writeAll(typeof said === "string" ? new TextEncoder().encode(said) : said);
  await far.closeWrite();
  const failed: string[] = [];
  const error = await run(new ScpProtocol(near), failed).then(
    () => null,
    (cause) => cause as Error,
  );
  await near.closeWrite();
  return { error, failed, said: (await all(far)).replaceAll("\0", ".") };
}

async function all(channel: SftpChannel): Promise<string> {
  let text = "";
  for (let chunk; (chunk = await channel.readChunk()) !== null;) {
    text += new TextDecoder().decode(chunk);
  }
  return text;
}

const source = (paths: string[], said: string, options: Options = {}) =>
  against(said, (scp, failed) => sendAll(paths, scp, shared(options, failed)));

const sink = (target: string, said: string, options: Options = {}) =>
  against(
    said,
    (scp, failed) =>
      receiveAll(target, scp, {
        intoFolder: false,
        expected: () => true,
        ...shared(options, failed),
      }),
  );

Deno.test("a source announces a file, sends it and its end, each acknowledged", {
  ignore: WITHOUT_DESCRIPTORS,
}, async () => {
  await using folder = await tempFolder();
  const path = await folder.write("file", "text", 0o640);
  await Deno.utime(path, 1_000_000_000, 1_100_000_000);
  assertEquals(await source([path], OK.repeat(3)), {
    error: null,
    failed: [],
    said: "C0640 4 file\ntext.",
  });
  await Deno.utime(path, 1_000_000_000, 1_100_000_000); // it was read
  const kept = await source([path], OK.repeat(4), { preserve: true });
  assertEquals(kept.said, "T1100000000 0 1000000000 0\nC0640 4 file\ntext.");
  await Deno.utime(path, new Date(-5000), new Date(-5000));
  assertEquals(
    (await source([path], OK.repeat(4), { preserve: true })).said.slice(0, 8),
    "T0 0 0 0",
  );
  const empty = await folder.write("empty", "", 0o600);
  assertEquals((await source([empty], OK.repeat(3))).said, "C0600 0 empty\n.");
});

Deno.test("a source sends a folder with its files in order, and its end", async () => {
  await using folder = await tempFolder();
  await Deno.mkdir(folder.join("d/e"), { recursive: true });
  await Deno.chmod(folder.join("d"), 0o750);
  await Deno.chmod(folder.join("d/e"), 0o700);
  for (const name of ["b", "a", "e/c"]) await folder.write(`d/${name}`, name, 0o600);
  const outcome = await source([folder.join("d/")], OK.repeat(20), { recursive: true });
  assertEquals(outcome, {
    error: null,
    failed: [],
    said: "D0750 0 d\nC0600 1 a\na.C0600 1 b\nb.D0700 0 e\nC0600 3 c\ne/c.E\nE\n",
  });
});

Deno.test("a source continues after a warning, and ends at an error", async () => {
  await using folder = await tempFolder();
  const [one, two] = [await folder.write("one", "1", 0o600), await folder.write("two", "2", 0o600)];
  const refused = await source([one, two], `${OK}\x01no space\n${OK.repeat(2)}`);
  assertEquals(refused, {
    error: null,
    failed: ["no space"],
    said: "C0600 1 one\nC0600 1 two\n2.",
  });
  const late = await source([one, two], `${OK.repeat(2)}\x01disk full\n${OK.repeat(2)}`);
  assertEquals([late.failed, late.said], [["disk full"], "C0600 1 one\n1.C0600 1 two\n2."]);
  const over = await source([one, two], `${OK}\x02give up\n`);
  assertEquals([over.error instanceof ScpError, over.error?.message, over.said], [
    true,
    "give up",
    "C0600 1 one\n",
  ]);
  const never = await source([one], "\x01not here\n");
  assertEquals([never.error?.message, never.said], ["not here", ""]);
  const text = await source([one], "bash: scp: not found\n");
  assertEquals(text.error?.message, "bash: scp: not found");
  await Deno.mkdir(folder.join("d"));
  const folders = await source([folder.join("d"), two], `${OK}\x01no folder\n${OK.repeat(2)}`, {
    recursive: true,
  });
  assertEquals(folders.failed, ["no folder"]);
  assert(folders.said.endsWith("d\nC0600 1 two\n2."), folders.said);
  const ends = await source([folder.join("d")], `${OK.repeat(2)}\x01late\n`, { recursive: true });
  assertEquals(ends.failed, ["late"]);
  const times = await source([one, two], `${OK}\x01no times\n${OK.repeat(3)}`, { preserve: true });
  assertEquals([times.failed, times.said.match(/C/g)?.length], [["no times"], 1]);
});

Deno.test("a source reports files that it cannot send, and sends the rest", async () => {
  await using folder = await tempFolder();
  await Deno.mkdir(folder.join("d"));
  const file = await folder.write("file", "x", 0o600);
  const locked = await folder.write("locked", "x", 0o600);
  using _ = replacedFiles({
    open: (path, options) =>
      path === locked
        ? Promise.reject(new Deno.errors.PermissionDenied("no"))
        : Deno.open(path, options),
  });
  const paths = [folder.join("none"), folder.join("d"), locked, file];
  const { error, failed, said } = await source(paths, OK.repeat(9));
  const told = [
    `${folder.join("none")}: No such file or directory`,
    `${folder.join("d")}: not a regular file`,
    `${locked}: PermissionDenied`,
  ];
  assertEquals([error, failed], [null, told]);
  assertEquals(said, told.map((text) => `\x01scp: ${text}\n`).join("") + "C0600 1 file\nx.");
});

Deno.test("a file that shrinks while it is sent is padded with zeros, and reported", {
  ignore: WITHOUT_DESCRIPTORS,
}, async () => {
  await using folder = await tempFolder();
  const path = await folder.write("file", noise(300_000), 0o600);
  let reads = 0;
  using _ = replacedOpenFiles((file) => ({
    async read(into) {
      return ++reads > 1 ? null : await file.read(into);
    },
  }));
  const progress: number[] = [];
  const onProgress = (_: string, at: number, total: number) => void progress.push(at, total);
  const { failed, said } = await source([path], OK.repeat(9), { onProgress });
  const reason = `${path}: the file became shorter while it was read`;
  assertEquals(failed, [reason]);
  assert(said.endsWith(`${".".repeat(1000)}\x01scp: ${reason}\n`));
  assertEquals(progress, [131_072, 300_000, 262_144, 300_000, 300_000, 300_000]);
  assertEquals(reads, 2);
});

Deno.test("an aborted source sends no more", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("file", noise(300_000), 0o600);
  const abort = new AbortController();
  const onProgress = () => abort.abort(new Error("enough"));
  const { error, said } = await source([path, path], OK.repeat(9), {
    onProgress,
    signal: abort.signal,
  });
  assertEquals(error?.message, "enough");
  assert(said.length < 150_000);
});

Deno.test("a sink acknowledges its start, each announcement and each file", async () => {
  await using folder = await tempFolder();
  const to = folder.join("to");
  const outcome = await sink(to, `C0640 4 file\ntext${OK}`);
  assertEquals(outcome, { error: null, failed: [], said: "..." });
  assertEquals([await Deno.readTextFile(to), (await Deno.stat(to)).mode! & 0o777], ["text", 0o640]);
  const into = await sink(`${folder.path}/`, `C0640 1 a\nx${OK}C0640 1 b\ny${OK}`, {
    intoFolder: true,
  });
  assertEquals(into.said, ".....");
  assertEquals(await Deno.readTextFile(folder.join("b")), "y");
  const progress: unknown[][] = [];
  await sink(to, `C0644 3 file\nabc${OK}`, { onProgress: (...args) => void progress.push(args) });
  assertEquals([progress, await Deno.readTextFile(to)], [[["file", 3, 3]], "abc"]);
});

Deno.test("a sink keeps times and modes when told, of files and of folders after their files", async () => {
  await using folder = await tempFolder();
  const to = folder.join("to");
  const times = "T1100000000 0 1000000000 0\n";
  const said = `${times}D0550 0 d\n${times}C0444 1 file\nx${OK}E\nC0600 1 later\ny${OK}`;
  const umask = Deno.umask(0o077);
  try {
    await Deno.mkdir(to);
    const { error, failed, said: answers } = await sink(to, said, {
      recursive: true,
      preserve: true,
    });
    assertEquals([error, failed, answers], [null, [], "........."]);
    const [d, file, later] = await Promise.all(
      ["d", "d/file", "later"].map((name) => Deno.stat(`${to}/${name}`)),
    );
    assertEquals([d!.mode! & 0o777, file!.mode! & 0o777, later!.mode! & 0o777], [
      0o550,
      0o444,
      0o600,
    ]);
    for (const { mtime, atime } of [d!, file!]) {
      assertEquals([mtime, atime], [new Date(1_100_000_000_000), new Date(1_000_000_000_000)]);
    }
    assert(later!.mtime!.getTime() > 1_200_000_000_000); // times apply only to the next entry
  } finally {
    Deno.umask(umask);
  }
  await Deno.chmod(`${to}/d`, 0o750);
});

Deno.test("an existing folder keeps its mode, a new one gets the source's", async () => {
  await using folder = await tempFolder();
  const to = folder.join("to");
  await Deno.mkdir(`${to}/old`, { recursive: true });
  await Deno.chmod(`${to}/old`, 0o711);
  const { error } = await sink(to, "D0500 0 old\nE\nD0500 0 new\nE\nD0755 0 usual\nE\n", {
    recursive: true,
  });
  assertEquals(error, null);
  const mode = async (name: string) => (await Deno.stat(`${to}/${name}`)).mode! & 0o777;
  assertEquals([await mode("old"), await mode("new"), await mode("usual") & 0o700], [
    0o711,
    0o500,
    0o700,
  ]);
  await Deno.chmod(`${to}/new`, 0o700);
});

Deno.test("a sink that must write into a folder requires one", async () => {
  await using folder = await tempFolder();
  const to = await folder.write("file", "kept");
  const { error, said } = await sink(to, `C0644 1 x\ny${OK}`, { intoFolder: true });
  assertEquals(error?.message, `${to}: Not a directory`);
  assertEquals([said, await Deno.readTextFile(to)], [`\x01scp: ${to}: Not a directory\n`, "kept"]);
});

Deno.test("names inside a requested folder are not compared with the request", async () => {
  await using folder = await tempFolder();
  const expected = (name: string) => name === "d";
  const said = `D0755 0 d\nC0644 1 any\nx${OK}E\n`;
  const { error } = await sink(folder.path, said, { recursive: true, expected });
  assertEquals([error, await Deno.readTextFile(folder.join("d/any"))], [null, "x"]);
});

Deno.test("a sink that cannot write still reads the bytes, and reports the reason at the end", async () => {
  await using folder = await tempFolder();
  let writes = 0;
  const failing = (changes: Record<string, unknown>) => replacedOpenFiles(() => changes);
  for (const [what, count] of [["write", 1], ["truncate", 0], ["utime", 0]] as const) {
    writes = 0;
    const fail = () => {
      if (what === "write") writes++;
      return Promise.reject(new Error("No space left on device"));
    };
    using _ = failing({ [what]: fail });
    const said = `T1 0 1 0\nC0644 100000 big\n${"x".repeat(100_000)}${OK}C0644 1 small\ny${OK}`;
    const outcome = await sink(folder.path, said, { preserve: true });
    const reason = `${folder.path}/big: No space left on device`;
    assertEquals(outcome.failed.filter((text) => text === reason), [reason], what);
    assertEquals(outcome.error, null);
    assert(outcome.said.includes(`\x01scp: ${reason}\n`), outcome.said);
    if (count > 0) assertEquals(writes, 2); // one for each file
  }
});

Deno.test("a source's late error and warnings are reported, and the file stays", async () => {
  await using folder = await tempFolder();
  const late = await sink(folder.path, "C0644 1 a\nx\x01read error\nC0644 1 b\ny\0");
  assertEquals([late.error, late.failed], [null, ["read error"]]);
  assertEquals(await Deno.readTextFile(folder.join("a")), "x");
  const over = await sink(folder.path, "C0644 1 a\nx\x02over\n");
  assertEquals([over.error?.message, over.said], ["over", "..\x01scp: over\n"]);
});

Deno.test("an aborted sink reads no more", async () => {
  await using folder = await tempFolder();
  const signal = AbortSignal.abort(new Error("enough"));
  const { error } = await sink(folder.path, `C0644 1 a\nx${OK}`, { signal });
  assertEquals(error?.message, "enough");
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

Deno.test("a source that ends early is an error at every step", async () => {
  await using folder = await tempFolder();
  const cases: [said: string, message: string][] = [
    ["D0755 0 d\n", "the source ended inside a folder"],
    ["C0644 5 x\nabc", "the file ends before its size"],
    ["C0644 3 x\nabc", "the other side closed the connection"],
    ["C0644 3", "unexpected end of a line"],
    [`C0644 1 ${"n".repeat(9000)}\n`, "a line is too long"],
    ["C0644 99999999999999999 x\n", "protocol error: C0644 99999999999999999 x"],
    ["C0644 9999999999999999 x\n", "size out of range"],
    ["C064 1 x\n", ""],
    ["C64 1 x\n", "protocol error: C64 1 x"],
    ["T1 0 1\n", "protocol error: malformed times"],
  ];
  for (const [said, message] of cases) {
    const { error } = await sink(folder.path, said, { recursive: true });
    assertEquals(error instanceof ScpError, true, said.slice(0, 20));
    if (message !== "") assertEquals(error!.message, message);
  }
  assertEquals((await sink(folder.path, "")).error, null);
});

Deno.test("folders may be nested 256 deep", async () => {
  await using folder = await tempFolder();
  const nested = (depth: number) => "D0700 0 d\n".repeat(depth) + "E\n".repeat(depth);
  assertEquals((await sink(folder.path, nested(256), { recursive: true })).error, null);
  const { error } = await sink(folder.path, nested(257), { recursive: true });
  assertEquals(error?.message, "folders are nested too deeply");
});

Deno.test("a file is sent and received complete, in pieces of any size", async () => {
  await using folder = await tempFolder();
  const data = noise(300_000);
  const path = await folder.write("file", data, 0o600);
  for (const chunk of [999, 40_000]) {
    const [near, far] = channelPair({ chunk });
    const failed: string[] = [];
    const sending = sendAll([path], new ScpProtocol(near), shared({}, failed)).then(() =>
      near.closeWrite()
    );
    const options = { intoFolder: false, expected: () => true, ...shared({}, failed) };
    await receiveAll(folder.join("to"), new ScpProtocol(far), options);
    await sending;
    assert(same(await Deno.readFile(folder.join("to")), data));
  }
});
