import { assert, assertEquals } from "@std/assert";
import { localFiles } from "../../lib/sftp/mod.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { FXF, FXP } from "../../lib/sftp/protocol/numbers.ts";
import { noise } from "../support/random.ts";
import { tempFolder } from "../support/temp.ts";
import { atOurServer, type RawMessage } from "./raw.ts";
import { same } from "./world.ts";

const DATA = noise(2_500_001);

Deno.test("a session of WinSCP works to its end", async () => {
  await using folder = await tempFolder();
  const backend = localFiles({ root: folder.path });
  const { peer, served } = await atOurServer(backend, { greet: false }, { linkFirst: true });
  let id = 0;
  /** Sends requests in one write; returns their answers. */
  const ask = async (...requests: ((id: number) => Uint8Array)[]): Promise<RawMessage[]> => {
    const first = id;
    await peer.send(...requests.map((request) => request(id++)));
    const answers: RawMessage[] = [];
    for (let i = 0; i < requests.length; i++) {
      const answer = (await peer.next())!;
      assertEquals(answer.id, first + i);
      answers.push(answer);
    }
    return answers;
  };
  const done = async (...requests: ((id: number) => Uint8Array)[]) => {
    for (const { type, body } of await ask(...requests)) {
      assertEquals([type, msg.Status.decode(body).status], [FXP.STATUS, 0]);
    }
  };
  const one = async (request: (id: number) => Uint8Array) => (await ask(request))[0]!;
  const path = (name: string) => ({ path: `/${name}` });

  // It offers version 6, accepts version 3, and requests the current folder.
  await peer.send(msg.encodeVersion(FXP.INIT, 6));
  const { type, id: version } = (await peer.next())!;
  assertEquals([type, version], [FXP.VERSION, 3]);
  const home = await one((id) => msg.Realpath.encode(id, { path: "." }));
  assertEquals(msg.Name.decode(home.body).entries[0]!.name, "/");
  assertEquals((await one((id) => msg.Lstat.encode(id, path("new")))).type, FXP.STATUS);

  // A file is first written under another name, without waiting for answers.
  const flags = FXF.WRITE | FXF.CREAT | FXF.TRUNC;
  const open = (flags: number) => async () =>
    msg.Handle.decode(
      (await one((id) => msg.Open.encode(id, { ...path("new.filepart"), flags, attributes: {} })))
        .body,
    ).handle;
  const write = (handle: Uint8Array, from: number, to: number) => {
    const requests: ((id: number) => Uint8Array)[] = [];
    for (let at = from; at < to; at += 32_000) {
      const data = DATA.subarray(at, Math.min(at + 32_000, to));
      requests.push((id) => msg.Write.encode(id, { handle, offset: at, data }));
    }
    return requests;
  };
  const begun = await open(flags)();
  await done(...write(begun, 0, 1_000_000), (id) => msg.Close.encode(id, { handle: begun }));

  // It continues after the existing content, with or without append.
  const rest = await open(FXF.WRITE)();
  await done(...write(rest, 1_000_000, 2_000_000), (id) => msg.Close.encode(id, { handle: rest }));
  const last = await open(FXF.WRITE | FXF.APPEND)();
  await done(
    ...write(last, 2_000_000, DATA.length),
    (id) => msg.Close.encode(id, { handle: last }),
  );

  // The old file is removed, the new one renamed, and then its time and mode are set.
  await Deno.writeTextFile(folder.join("new"), "old");
  const attributes = { mode: 0o640, atime: 1_000_000_000, mtime: 1_000_000_000 };
  await done(
    (id) => msg.Remove.encode(id, path("new")),
    (id) => msg.Rename.encode(id, { from: "/new.filepart", to: "/new" }),
    (id) => msg.Setstat.encode(id, { ...path("new"), attributes }),
    (id) => msg.LinkFirst.encode(id, { link: "/link", target: "new" }),
  );
  assert(same(await Deno.readFile(folder.join("new")), DATA));
  const { mode, mtime } = await Deno.stat(folder.join("new"));
  assertEquals([mode! & 0o777, mtime], [0o640, new Date(1e12)]);

  // A listing, and each link's target.
  const folderHandle = msg.Handle.decode(
    (await one((id) => msg.Opendir.encode(id, path("")))).body,
  ).handle;
  const listed = await one((id) => msg.Readdir.encode(id, { handle: folderHandle }));
  const names = msg.Name.decode(listed.body).entries.map(({ name }) => name).sort();
  assertEquals(names, [".", "..", "link", "new"]);
  const target = await one((id) => msg.Readlink.encode(id, path("link")));
  assertEquals(msg.Name.decode(target.body).entries[0]!.name, "new");
  await done((id) => msg.Close.encode(id, { handle: folderHandle }));
  // Requests for features of other servers are refused without harm.
  for (const request of ["check-file", "space-available", "copy-file", "vendor-id"]) {
    const { body } = await one((id) =>
      msg.Extended.encode(id, { request, data: new Uint8Array([0, 0, 0, 1, 47]) })
    );
    assertEquals(msg.Status.decode(body).status, 8);
  }
  await peer.channel.closeWrite();
  assertEquals(await served, null);
});
