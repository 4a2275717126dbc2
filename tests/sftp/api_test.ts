import { assert, assertEquals, assertRejects } from "@std/assert";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { EXTENSION, FXP } from "../../lib/sftp/protocol/numbers.ts";
import { globMatcher } from "../../lib/patterns.ts";
import { SftpError, SftpStatus } from "../../lib/sftp/mod.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { atServer, handle, status } from "./raw.ts";
import { noise, ourWorld, refusal, same, turn } from "./world.ts";
import { plainMessage } from "../../lib/error_messages.ts";

Deno.test("a step of a pattern matches as in a shell", () => {
  const cases: [string, string, boolean][] = [
    ["*", "", true],
    ["*", ".x", false],
    [".*", ".x", true],
    ["a*b*c", "a-b-b-c", true],
    ["a*b*c", "a-c", false],
    ["?", "ü", true],
    ["??", "😀", false],
    ["[a-c]x", "bx", true],
    ["[!a-c]x", "bx", false],
    ["[^a-c]x", "dx", true],
    ["[]]", "]", true],
    ["[a-]", "-", true],
    ["\\*", "*", true],
    ["\\*", "x", false],
    ["[", "[", true],
    ["a.b", "axb", false],
  ];
  for (const [pattern, name, expected] of cases) {
    assertEquals(globMatcher(pattern)(name), expected, `${pattern} ${name}`);
  }
  // Exponential as a regular expression.
  assertEquals(globMatcher("*a".repeat(40) + "b")("a".repeat(5000)), false);
});

Deno.test("without posix-rename, rename moves the old file aside", async () => {
  await using world = await ourWorld({ extensions: [] });
  const { sftp, root } = world;
  await sftp.writeTextFile("/a", "a");
  await sftp.writeTextFile("/b", "b");
  await sftp.rename("/a", "/b");
  assertEquals((await Array.fromAsync(Deno.readDir(root))).map(({ name }) => name), ["b"]);
  assertEquals(await sftp.readTextFile("/b"), "a");
  await sftp.mkdir("/folder");
  await sftp.writeTextFile("/folder/x", "");
  assertEquals(await refusal(sftp.rename("/b", "/folder")), SftpStatus.FAILURE);
  assertEquals(await refusal(sftp.rename("/none", "/b")), SftpStatus.NO_SUCH_FILE);
  assertEquals(await sftp.readTextFile("/b"), "a");
});

Deno.test("without posix-rename, a rename that fails puts the old file back", async () => {
  const renames: [string, string][] = [];
  const sftp = await atServer(({ type, id, body }, peer) => {
    if (type === FXP.LSTAT) {
      return peer.send(msg.Attrs.encode(id, { attributes: { mode: 0o100644 } }));
    }
    const { from, to } = msg.Rename.decode(body);
    renames.push([from, to]);
    return peer.send(status(id, from === "/a" ? SftpStatus.FAILURE : SftpStatus.OK));
  });
  assertEquals(await refusal(sftp.rename("/a", "/b")), SftpStatus.FAILURE);
  const aside = renames[1]![1];
  assertEquals(renames, [["/a", "/b"], ["/b", aside], ["/a", "/b"], [aside, "/b"]]);
  await sftp.close();
});

Deno.test("without extensions everything else still works, or is refused", async () => {
  await using world = await ourWorld({ extensions: [] });
  const { sftp, root } = world;
  assertEquals(sftp.limits, { readLength: 32768, writeLength: 32768, openHandles: 0 });
  await sftp.writeFile("/from", noise(300_000));
  await sftp.copyFile("/from", "/to");
  assert(same(await Deno.readFile(`${root}/to`), noise(300_000)));
  await sftp.lsetStat("/to", { mode: 0o600 });
  await sftp.lutime("/to", 1, 2);
  assertEquals((await sftp.stat("/to")).mtime, new Date(2000));
  await sftp.symlink("to", "/link");
  await using file = await sftp.open("/to");
  assertEquals(await sftp.homeDirectory(), "/");
  assertEquals(await sftp.expandPath("~/to"), "/to");
  assertEquals(await sftp.expandPath("to"), "/to");
  const unsupported = SftpStatus.OP_UNSUPPORTED;
  assertEquals(await refusal(sftp.lutime("/link", 1, 2)), unsupported);
  assertEquals(await refusal(sftp.statvfs("/")), unsupported);
  assertEquals(await refusal(file.statvfs()), unsupported);
  assertEquals(await refusal(file.sync()), unsupported);
  assertEquals(await refusal(sftp.link("/to", "/x")), unsupported);
  assertEquals(await refusal(sftp.homeDirectory("root")), unsupported);
  assertEquals(await refusal(sftp.expandPath("~root")), unsupported);
  assertEquals(await refusal(sftp.usersAndGroups([0], [])), unsupported);
});

Deno.test("a copy that the server refuses goes through the client", async () => {
  const content = new TextEncoder().encode("content");
  let written = "";
  const sftp = await atServer(async ({ type, id, body }, peer) => {
    if (type === FXP.OPEN) await peer.send(msg.Handle.encode(id, { handle }));
    else if (type === FXP.FSTAT) {
      await peer.send(
        msg.Attrs.encode(id, { attributes: { size: content.length, mode: 0o100600 } }),
      );
    } else if (type === FXP.EXTENDED) await peer.send(status(id, SftpStatus.OP_UNSUPPORTED));
    else if (type === FXP.READ) {
      const { offset } = msg.Read.decode(body);
      const data = content.subarray(offset);
      await peer.send(data.length ? msg.Data.encode(id, { data }) : status(id, SftpStatus.EOF));
    } else {
      if (type === FXP.WRITE) written += new TextDecoder().decode(msg.Write.decode(body).data);
      await peer.send(status(id, SftpStatus.OK));
    }
  }, { extensions: [[EXTENSION.COPY_DATA, "1"]] });
  await sftp.copyFile("/a", "/b");
  assertEquals(written, "content");
  await sftp.close();
});

Deno.test("every operation may have a separate time-out", async () => {
  const sftp = await atServer(({ type, id }, peer) => {
    if (type === FXP.LSTAT) {
      return peer.send(msg.Attrs.encode(id, { attributes: { mode: 0o100644 } }));
    }
  }, { timeout: 60_000 });
  const slow = sftp.stat("/slow");
  const error = await assertRejects(() => sftp.stat("/x", { timeout: 20 }), SftpError);
  assertEquals(plainMessage(error), 'Cannot stat "/x" on the server: no answer in 20 ms');
  await assertRejects(() => sftp.mkdir("/x", { timeout: 10, recursive: true }), SftpError);
  assertEquals((await sftp.lstat("/y", { timeout: 60_000 })).size, 0);
  const gone = assertRejects(() => slow, Error, "closed");
  await sftp.close();
  await gone;
});

Deno.test("writeFile ends with its signal or time-out if the server does not answer", async () => {
  for (const channels of [1, 4]) {
    for (const data of [new Uint8Array(100_000), new Uint8Array(8_000_000)]) {
      const abort = new AbortController();
      let writes = 0;
      const sftp = await atServer(async ({ type, id }, peer) => {
        if (type === FXP.OPEN) await peer.send(msg.Handle.encode(id, { handle }));
        else if (type === FXP.WRITE && ++writes === 2) abort.abort(new Error("enough"));
        else if (writes === 0) await peer.send(status(id, SftpStatus.OP_UNSUPPORTED));
      }, { timeout: 500 });
      const { signal } = abort;
      await assertRejects(() => sftp.writeFile("/x", data, { channels, signal }), Error, "enough");
      const late = () => sftp.writeFile("/x", data, { channels, timeout: 20 });
      const error = await assertRejects(late, SftpError);
      assertEquals(plainMessage(error), 'Cannot write "/x" on the server: no answer in 20 ms');
      await sftp.close();
    }
  }
});

Deno.test("one signal cancels hundreds of requests, and drops listeners of answered ones", async () => {
  const sftp = await atServer(({ type, id }, peer) => {
    if (type === FXP.LSTAT) {
      return peer.send(msg.Attrs.encode(id, { attributes: { mode: 0o100644 } }));
    }
  });
  const abort = new AbortController();
  const { signal } = abort;
  for (let i = 0; i < 10; i++) await sftp.lstat("/x", { signal });
  const waiting = Array.from({ length: 300 }, () => sftp.stat("/x", { signal }));
  const rejected = waiting.map((promise) => assertRejects(() => promise, Error, "enough"));
  await turn();
  abort.abort(new Error("enough"));
  await Promise.all(rejected);
  await sftp.lstat("/x");
  await sftp.close();
});

const strange: Record<string, (id: number) => Uint8Array> = {
  "a file system cut short": (id) => msg.ExtendedReply.encode(id, { data: new Uint8Array(80) }),
  "names without an end": (id) =>
    msg.ExtendedReply.encode(id, { data: new Writer().u32(0xffff_ffff).take() }),
  "a name inside that is longer than all": (id) =>
    msg.ExtendedReply.encode(id, { data: new Writer().u32(4).u32(99).u32(0).take() }),
  "success without an answer": (id) => status(id, SftpStatus.OK),
};

for (const [what, answer] of Object.entries(strange)) {
  Deno.test(`an extension that is answered by ${what} is an error`, async () => {
    const extensions: [string, string][] = [EXTENSION.STATVFS, EXTENSION.USERS_GROUPS].map((
      name,
    ) => [name, "1"]);
    const sftp = await atServer(({ id }, peer) => peer.send(answer(id)), { extensions });
    await assertRejects(() => sftp.statvfs("/"), Error);
    await assertRejects(() => sftp.usersAndGroups([1], [2]), Error);
    await sftp.close();
  });
}

Deno.test("a wrong number of names is refused", async () => {
  const data = msg.IdNames.encode({ users: ["a", "b"], groups: [] });
  const sftp = await atServer(
    ({ id }, peer) => peer.send(msg.ExtendedReply.encode(id, { data })),
    { extensions: [[EXTENSION.USERS_GROUPS, "1"]] },
  );
  assertEquals(await refusal(sftp.usersAndGroups([1], [])), SftpStatus.BAD_MESSAGE);
  const { users, groups } = await sftp.usersAndGroups([1, 2], []);
  assertEquals([[...users], [...groups]], [[[1, "a"], [2, "b"]], []]);
  await sftp.close();
});

Deno.test("attributes are requested in parallel if a server lists only names", async () => {
  let waiting: number[] = [];
  let most = 0;
  let listed = false;
  const sftp = await atServer(async ({ type, id }, peer) => {
    if (type === FXP.OPENDIR) await peer.send(msg.Handle.encode(id, { handle }));
    else if (type === FXP.READDIR && !listed) {
      listed = true;
      const names = [".", "..", ...Array.from({ length: 20 }, (_, index) => `${index}`)];
      const entries = names.map((name) => ({ name, longname: name, attributes: {} }));
      await peer.send(msg.Name.encode(id, { entries }));
    } else if (type === FXP.LSTAT) {
      waiting.push(id);
      most = Math.max(most, waiting.length);
      if (waiting.length < 20) return;
      const [gone, ...there] = waiting;
      waiting = [];
      await peer.send(status(gone!, SftpStatus.NO_SUCH_FILE)); // since it was listed
      for (const id of there) {
        await peer.send(msg.Attrs.encode(id, { attributes: { mode: 0o100644 } }));
      }
    } else await peer.send(status(id, type === FXP.CLOSE ? SftpStatus.OK : SftpStatus.EOF));
  });
  const entries = await Array.fromAsync(sftp.readDir("/"));
  assertEquals([entries.length, entries.every(({ isFile }) => isFile), most], [19, true, 20]);
  await sftp.close();
});

Deno.test("limits follow the message length, and a server may refuse the request for them", async () => {
  const limits = async (data: Uint8Array | null) => {
    const sftp = await atServer(
      ({ id }, peer) =>
        peer.send(data ? msg.ExtendedReply.encode(id, { data }) : status(id, SftpStatus.FAILURE)),
      {
        extensions: [[EXTENSION.LIMITS, "1"]],
      },
    );
    await sftp.close();
    return sftp.limits;
  };
  const told = (packetLength: number, readLength: number, writeLength: number) =>
    msg.Limits.encode({ packetLength, readLength, writeLength, openHandles: 9 });
  const lengths = (readLength: number, writeLength: number, openHandles = 9) => ({
    readLength,
    writeLength,
    openHandles,
  });
  assertEquals(await limits(told(34_000, 0, 0)), lengths(32_976, 32_976));
  assertEquals(await limits(told(0, 0, 1000)), lengths(261_120, 1000));
  assertEquals(await limits(told(100_000, 200_000, 50_000)), lengths(98_976, 50_000));
  assertEquals(await limits(told(10, 0, 0)), lengths(1, 1));
  assertEquals(await limits(null), lengths(32_768, 32_768, 0));
});

Deno.test("a link lost between entries of a listing rejects the next read", async () => {
  const sftp = await atServer(async ({ type, id }, peer) => {
    if (type === FXP.OPENDIR) return await peer.send(msg.Handle.encode(id, { handle }));
    if (type !== FXP.READDIR) return;
    const entries = [{ name: `${id}`, longname: "", attributes: { mode: 0o100644 } }];
    if (++answers < 3) await peer.send(msg.Name.encode(id, { entries }));
    else await peer.channel.close();
  });
  let answers = 0;
  const seen: string[] = [];
  const listing = async () => {
    for await (const { name } of sftp.readDir("/")) {
      seen.push(name);
      await sftp.stat("/").catch(() => {}); // until the link is lost
    }
  };
  const error = await assertRejects(listing, SftpError);
  assertEquals(error.status, SftpStatus.CONNECTION_LOST);
  assertEquals(seen.length, 2);
  await sftp.close();
});
