/**
 * Tests ours for public faults of SFTP and scp in other implementations in 2025 and 2026.
 * `docs/attacks.md` lists all, also those tested elsewhere.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { FXF, FXP } from "../../lib/sftp/protocol/numbers.ts";
import { ByteSource } from "../../lib/sftp/protocol/byte_source.ts";
import { localFiles, SftpError, SftpStatus } from "../../lib/sftp/mod.ts";
import { globMatcher, matchesWildcards } from "../../lib/patterns.ts";
import { connectedPair } from "../../lib/testing/mod.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { atOurServer, atServer, frame, handle, type RawPeer, status } from "../sftp/raw.ts";
import { folder, ourWorld } from "../sftp/world.ts";

async function statusOf(peer: RawPeer, request: Uint8Array): Promise<number> {
  await peer.send(request);
  const { type, body } = (await peer.next())!;
  return type === FXP.STATUS ? msg.Status.decode(body).status : SftpStatus.OK;
}

/** Our server for `served`, a folder with siblings. */
async function beside(): Promise<AsyncDisposable & { peer: RawPeer; outside: string }> {
  const outside = await folder();
  await Deno.mkdir(`${outside.path}/served`);
  const { peer, served } = await atOurServer(localFiles({ root: `${outside.path}/served` }));
  return {
    peer,
    outside: outside.path,
    async [Symbol.asyncDispose]() {
      await peer.channel.close();
      await served;
      await outside[Symbol.asyncDispose]();
    },
  };
}

Deno.test("a folder whose name begins with the root's name is outside (CVE-2026-23942)", async () => {
  await using w = await beside();
  await Deno.mkdir(`${w.outside}/served_too`);
  await Deno.writeTextFile(`${w.outside}/served_too/secret`, "x");
  await Deno.symlink("../served_too", `${w.outside}/served/link`);
  for (
    const path of [
      "/../served_too/secret",
      "../served_too/secret",
      `${w.outside}/served_too/secret`,
      "/link/secret",
      "_too/secret",
    ]
  ) {
    const stat = msg.Stat.encode(1, { path });
    assertEquals(await statusOf(w.peer, stat), SftpStatus.NO_SUCH_FILE, path);
    const open = msg.Open.encode(1, { path, flags: FXF.READ, attributes: {} });
    assertEquals(await statusOf(w.peer, open), SftpStatus.NO_SUCH_FILE, path);
  }
});

Deno.test("REALPATH does not reveal files outside (CVE-2026-53422)", async () => {
  await using w = await beside();
  await Deno.mkdir(`${w.outside}/there`);
  const answer = async (path: string) => {
    await w.peer.send(msg.Realpath.encode(1, { path }));
    const { type, body } = (await w.peer.next())!;
    return type === FXP.STATUS
      ? msg.Status.decode(body).status
      : msg.Name.decode(body).entries[0]!.name.replace(/there|none/, "?");
  };
  for (const up of ["/../", "../", `${w.outside}/`, "/../../../../../"]) {
    for (const below of ["", "/x"]) {
      assertEquals(await answer(`${up}there${below}`), await answer(`${up}none${below}`));
    }
  }
});

Deno.test("READLINK returns the text given to SYMLINK, not the path of the root (CVE-2026-48855)", async () => {
  await using w = await beside();
  for (const [at, target] of ["/", "/x", ".", ".."].entries()) {
    const link = `/link${at}`;
    assertEquals(await statusOf(w.peer, msg.Symlink.encode(1, { target, link })), SftpStatus.OK);
    await w.peer.send(msg.Readlink.encode(1, { path: link }));
    const { entries } = msg.Name.decode((await w.peer.next())!.body);
    assertEquals(entries[0]!.name, target);
  }
});

Deno.test("data on standard error of an SFTP channel does not stall it (CVE-2026-54886)", async () => {
  await using root = await folder();
  await using pair = await connectedPair({ serve: { sftp: localFiles({ root: root.path }) } });
  await using channel = await pair.host.openSession();
  await channel.subsystem("sftp");
  await channel.writeStderr(new Uint8Array(100));
  await channel.writeAll(msg.encodeVersion(FXP.INIT, 3));
  await channel.writeStderr(new Uint8Array(100));
  const source = new ByteSource(channel);
  const header = await source.take(5);
  assertEquals(header[4], FXP.VERSION);
  await using sftp = await pair.host.sftp();
  assert((await sftp.stat("/")).isDirectory);
});

Deno.test("INIT that is sent again is not supported (libssh 0.11.5)", async () => {
  await using w = await beside();
  for (let i = 0; i < 3; i++) {
    const again = msg.encodeVersion(FXP.INIT, 3);
    assertEquals(await statusOf(w.peer, again), SftpStatus.OP_UNSUPPORTED);
  }
  assertEquals(await statusOf(w.peer, msg.Stat.encode(1, { path: "/" })), SftpStatus.OK);
});

Deno.test("names and owners of any length are listed whole (CVE-2026-15370)", async () => {
  await using w = await beside();
  const name = "n".repeat(255);
  const owner = "o".repeat(20_000);
  await Deno.writeTextFile(`${w.outside}/served/${name}`, "x");
  await Deno.mkdir(`${w.outside}/served/etc`);
  const uid = (await Deno.stat(w.outside)).uid ?? 0;
  await Deno.writeTextFile(`${w.outside}/served/etc/passwd`, `${owner}:x:${uid}:0::/:/bin/sh\n`);
  await w.peer.send(msg.Opendir.encode(1, { path: "/" }));
  const opened = msg.Handle.decode((await w.peer.next())!.body);
  await w.peer.send(msg.Readdir.encode(2, opened));
  const { entries } = msg.Name.decode((await w.peer.next())!.body);
  const entry = entries.find((entry) => entry.name === name);
  assert(entry?.longname.endsWith(name));
});

Deno.test("a thousand READs of no bytes are answered, each once", async () => {
  await using w = await beside();
  await Deno.writeTextFile(`${w.outside}/served/file`, "x");
  await w.peer.send(msg.Open.encode(1, { path: "/file", flags: FXF.READ, attributes: {} }));
  const { handle } = msg.Handle.decode((await w.peer.next())!.body);
  const count = 1000;
  const reads = Array.from({ length: count }, (_, id) => [
    ...msg.Read.encode(id, { handle, offset: 0, length: 0 }),
  ]);
  await w.peer.send(new Uint8Array(reads.flat()));
  for (let id = 0; id < count; id++) assertEquals((await w.peer.next())!.id, id);
  assertEquals(await statusOf(w.peer, msg.Stat.encode(1, { path: "/" })), SftpStatus.OK);
});

for (const method of ["get", "readFile", "readable"] as const) {
  Deno.test(`a file that returns endless empty data is read to its end (${method})`, async () => {
    await using here = await folder();
    let reads = 0;
    await using client = await atServer(({ type, id }, peer) => {
      if (type === FXP.OPEN) return peer.send(msg.Handle.encode(id, { handle }));
      if (type === FXP.CLOSE) return peer.send(status(id, 0));
      if (type !== FXP.READ) {
        return peer.send(msg.Attrs.encode(id, { attributes: { mode: 0o100644, size: 1000 } }));
      }
      reads++;
      return peer.send(msg.Data.encode(id, { data: new Uint8Array(0) }));
    });
    try {
      if (method === "get") await client.get("/file", `${here.path}/file`);
      else if (method === "readFile") await client.readFile("/file");
      else {
        await using file = await client.open("/file");
        await Array.fromAsync(file.readable);
      }
    } catch (error) {
      assert(error instanceof SftpError); // it is shorter than the server claims
    }
    assert(reads < 1000, `${reads} reads`);
  });
}

Deno.test("the longname of a file may be anything (CVE-2026-0968)", async () => {
  const longnames = ["", "-", "drwx", "drwxr-xr-x", "\0\0\0", "l".repeat(200_000), "d".repeat(10)];
  const types: Record<string, number> = {};
  let listed = false;
  await using client = await atServer(({ type, id, body }, peer) => {
    if (type === FXP.OPENDIR) {
      // Asked once for the listing, and then whether a file may be one.
      const isFolder = new TextDecoder().decode(body.subarray(4)) === "/";
      return peer.send(isFolder ? msg.Handle.encode(id, { handle }) : status(id, 2));
    }
    if (type === FXP.LSTAT) return peer.send(msg.Attrs.encode(id, { attributes: { size: 1 } }));
    if (type !== FXP.READDIR || listed) return peer.send(status(id, 1));
    listed = true;
    const entries = longnames.map((longname, at) => ({ name: `${at}`, longname, attributes: {} }));
    return peer.send(msg.Name.encode(id, { entries }));
  });
  for await (const { name, isDirectory } of client.readDir("/")) types[name] = Number(isDirectory);
  assertEquals(Object.values(types), [0, 0, 0, 1, 0, 0, 0]);
});

Deno.test("an entry that ends before its longname is refused (CVE-2026-0968)", async () => {
  await using client = await atServer(({ type, id }, peer) => {
    if (type === FXP.OPENDIR) return peer.send(msg.Handle.encode(id, { handle }));
    if (type !== FXP.READDIR) return peer.send(status(id, 0));
    return peer.send(frame(FXP.NAME, id, new Writer().u32(1).text("name").take()));
  });
  const listing = Array.fromAsync(client.readDir("/"));
  const error = await assertRejects(() => listing, SftpError);
  assertEquals(error.status, SftpStatus.BAD_MESSAGE);
});

for (const name of ["..", ".", "", "/", "//", "/..", "../..", "x/..", "..\\x"]) {
  const shown = JSON.stringify(name);
  Deno.test(`a match named ${shown} is not written outside (CVE-2026-106552, CVE-2026-110923)`, async () => {
    await using outside = await folder();
    await Deno.mkdir(`${outside.path}/here`);
    let listed = 0;
    await using client = await atServer(({ type, id }, peer) => {
      if (type === FXP.STAT || type === FXP.LSTAT) {
        return peer.send(msg.Attrs.encode(id, { attributes: { mode: 0o040755 } }));
      }
      if (type === FXP.OPENDIR || type === FXP.OPEN) {
        return peer.send(msg.Handle.encode(id, { handle }));
      }
      if (type !== FXP.READDIR || listed++ > 2) return peer.send(status(id, 1));
      const entries = [0o100644, 0o040755].map((mode) => ({
        name,
        longname: "",
        attributes: { mode, size: 0 },
      }));
      return peer.send(msg.Name.encode(id, { entries }));
    });
    for (const pattern of ["/x/*", "/x/.*", "/**"]) {
      const options = { glob: true, recursive: true, partial: true };
      await client.get(pattern, `${outside.path}/here`, options).catch((error) => {
        assert(error instanceof SftpError, `${error}`);
      });
    }
    const names = await Array.fromAsync(Deno.readDir(outside.path), ({ name }) => name);
    assertEquals(names, ["here"]);
  });
}

Deno.test("the set-id bits of a server's file are not set locally (CVE-2026-35385)", async () => {
  await using here = await folder();
  let read = false;
  const attributes = { mode: 0o106755, size: 1 };
  await using client = await atServer(({ type, id }, peer) => {
    if (type === FXP.OPEN) return peer.send(msg.Handle.encode(id, { handle }));
    if (type === FXP.CLOSE) return peer.send(status(id, 0));
    if (type !== FXP.READ) return peer.send(msg.Attrs.encode(id, { attributes }));
    if (read) return peer.send(status(id, 1));
    read = true;
    return peer.send(msg.Data.encode(id, { data: new Uint8Array(1) }));
  });
  for (const preserve of [false, true]) {
    read = false;
    const path = `${here.path}/${preserve}`;
    await client.get("/file", path, { preserve });
    assertEquals((await Deno.stat(path)).mode! & 0o7000, 0);
  }
});

Deno.test("a pattern never takes exponential time (CVE-2026-0967)", () => {
  const name = "a".repeat(5000);
  for (const star of ["*", "**", "?*"]) {
    assert(!globMatcher(`${`${star}a`.repeat(50)}b`)(name));
    assert(!matchesWildcards(`${`${star}a`.repeat(50)}b`, name));
  }
  assert(globMatcher("*a".repeat(50))(name));
});

Deno.test("a put through a dangling link makes no file outside (GHSA-wvjj-wqvp-hxmj)", async () => {
  await using w = await ourWorld();
  await using outside = await folder();
  await Deno.symlink(`${outside.path}/made`, `${w.root}/link`);
  await Deno.writeTextFile(`${w.here}/file`, "x");
  for (const options of [{}, { atomic: false }, { resume: true }]) {
    await w.sftp.put(`${w.here}/file`, "/link", options).catch(() => {});
  }
  await w.sftp.mkdir("/link/folder", { recursive: true }).catch(() => {});
  assertEquals(await Array.fromAsync(Deno.readDir(outside.path)), []);
});
