/** A server's file written by a transfer if the server refuses to rename it. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { plainMessage } from "../../lib/error_messages.ts";
import { SftpError, SftpStatus } from "../../lib/sftp/mod.ts";
import { EXTENSION } from "../../lib/sftp/protocol/numbers.ts";
import { closeAll, data, hidden, INFO, world, write } from "./target_world.ts";
import { same, turn } from "./world.ts";

const { FAILURE, PERMISSION_DENIED, OP_UNSUPPORTED } = SftpStatus;

Deno.test("a server that refuses to rename gets the content in place, tested once per folder", async () => {
  for (
    const [status, asked] of [[PERMISSION_DENIED, 1], [OP_UNSUPPORTED, 1], [FAILURE, 2]] as const
  ) {
    await using w = await world();
    w.server.refuse = (line) => line.startsWith("RENAME") ? status : undefined;
    await write(await w.target({ preserve: true }), data, INFO);
    const log = w.log();
    const at = log.indexOf("RENAME /dir/.part /dir/file");
    assertEquals(log.slice(at + 3), [
      "LSTAT /dir/file",
      "OPEN /dir/.part read",
      "OPEN /dir/file write+creat+trunc 640",
      ...log.slice(at + 6, -4),
      "CLOSE /dir/file",
      "CLOSE /dir/.part",
      "REMOVE /dir/.part",
      "SETSTAT /dir/file mode=640 times=2000:2000",
    ]);
    assert(same(w.server.data("/dir/file")!, data));
    await write(await w.target());
    const opens = w.log().filter((line) => line.includes("excl"));
    assertEquals([opens.length, w.warnings.length], [asked - 1, 2]);
    const texts: Record<number, string> = {
      3: "Permission denied",
      8: "Operation not supported",
      4: "Failure",
    };
    const [first, second] = w.warnings;
    const reason = `renaming failed, ${texts[status]}`;
    const place =
      '/dir/file: "/dir/file" was written in place, because the server allows no other way: ';
    assertEquals(first, place + reason);
    assertEquals(second, place + (asked === 1 ? "it refuses to rename files" : reason));
    // In another folder it is tried again, and with `atomic` in every folder.
    await write(await w.target({}, { path: "/other" }));
    await assertRejects(
      () => w.target({ atomic: true }).then((target) => write(target)),
      SftpError,
    );
    assertEquals(w.log().filter((line) => line.includes("excl")).length, 2);
    w.server.files.clear();
  }
});

Deno.test("a copy in place that fails is an error, and closes both files", async () => {
  const refusals: Record<string, (line: string) => boolean> = {
    "the part cannot be read": (line) => line.startsWith("READ "),
    "the file cannot be opened": (line) => line.startsWith("OPEN /dir/file"),
    "the file cannot be written": (line) => line.startsWith("WRITE /dir/file"),
    "the file cannot be flushed": (line) => line.startsWith("FSYNC /dir/file"),
    "the file cannot be closed": (line) => line.startsWith("CLOSE /dir/file"),
  };
  for (const [what, refuses] of Object.entries(refusals)) {
    await using w = await world(EXTENSION.FSYNC);
    w.server.refuse = (line) => line.startsWith("RENAME") || refuses(line) ? FAILURE : undefined;
    const target = await w.target({ sync: true });
    const error = await assertRejects(() => write(target), SftpError, undefined, what);
    assertEquals([what, error.path], [what, "/dir/file"]);
    await target.discard(error);
    if (what.endsWith("closed")) await closeAll(w);
  }
});

Deno.test("after a copy in place the temporary file is closed before it is removed", async () => {
  await using w = await world();
  const gate = Promise.withResolvers<undefined>();
  const target = await w.target();
  let closes = 0;
  w.server.refuse = (line) => {
    if (line.startsWith("RENAME")) return FAILURE;
    return line.startsWith("CLOSE /dir/.") && ++closes === 2 ? gate.promise : undefined;
  };
  let written = false;
  const writing = write(target).then(() => written = true);
  while (closes < 2) await turn();
  for (let turns = 0; turns < 5; turns++) await turn();
  assertEquals([written, w.log().some((line) => line.startsWith("REMOVE"))], [false, false]);
  gate.resolve(undefined);
  await writing;
  assertEquals(hidden(w), []);
});

Deno.test("a copy in place of another length is an error", async () => {
  await using w = await world();
  w.server.refuse = (line) => {
    if (line.startsWith("OPEN /dir/file")) {
      const part = [...w.server.files].find(([path]) => path.includes("/."))![1];
      part.data = part.data.subarray(0, 1000);
    }
    return /^(RENAME|FSTAT)/.test(line) ? FAILURE : undefined;
  };
  const target = await w.target();
  const error = await assertRejects(() => write(target), SftpError);
  await target.discard(error);
  assertEquals(
    plainMessage(error),
    'Cannot put "/dir/file" on the server: 1000 of 200000 bytes could be copied',
  );
});

Deno.test("a temporary file that cannot be removed is a second warning", async () => {
  await using w = await world(EXTENSION.FSYNC);
  w.server.refuse = (line) => /^(RENAME|REMOVE)/.test(line) ? FAILURE : undefined;
  await write(await w.target({ sync: true }));
  assertEquals(
    w.warnings.map((text) => text.slice(0, 60)),
    [
      "/dir/file: The server refused to remove a temporary file from ",
      '/dir/file: "/dir/file" was written in place, because the ser',
    ].map((text) => text.slice(0, 60)),
  );
  assert(w.log().includes("FSYNC /dir/file"));
});

Deno.test("a folder with the final name is reported, and the part is not copied over it", async () => {
  await using w = await world();
  const target = await w.target({}, { inside: true });
  w.server.folders.set("/dir/file", 0o755);
  const error = await assertRejects(() => write(target), SftpError);
  assertEquals(plainMessage(error), 'Cannot put "/dir/file" on the server: it is a directory');
  assert(error.cause instanceof SftpError);
  await target.discard(error);
  assertEquals(hidden(w), []);
});
