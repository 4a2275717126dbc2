import { assert, assertEquals } from "@std/assert";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { FXP } from "../../lib/sftp/protocol/numbers.ts";
import { localFiles, SftpError } from "../../lib/sftp/mod.ts";
import { poke32 } from "../../lib/wire/hot.ts";
import { keeping } from "../corpus/corpus.ts";
import { fuzzTest, LONG, mutate } from "../support/random.ts";
import { atOurServer, atServer } from "./raw.ts";
import { folder } from "./world.ts";

const names = ["", ".", "..", "/", "a", "b", "a/b", "a/../..", "/../../x", "link", "link/x", "c"];

/** A frame with a valid length and any content. */
function framed(frame: Uint8Array): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(Math.max(frame.length, 9));
  result.set(frame.length < 9 ? [] : frame);
  poke32(result, 0, result.length - 4);
  return result;
}

fuzzTest(
  "fuzz: a server answers every request once, in order, and stays in its folder",
  async (random) => {
    await using outside = await folder();
    await Deno.mkdir(`${outside.path}/root`);
    await Deno.writeTextFile(`${outside.path}/x`, "outside");
    const any = () => names[random(names.length)]!;
    const requests: ((id: number) => Uint8Array)[] = [
      (id) => msg.Open.encode(id, { path: any(), flags: random(64), attributes: {} }),
      (id) => msg.Close.encode(id, { handle: new Uint8Array([0, 0, 0, random(40)]) }),
      (id) =>
        msg.Read.encode(id, {
          handle: new Uint8Array([0, 0, 0, random(40)]),
          offset: 0,
          length: 9,
        }),
      (id) =>
        msg.Write.encode(id, {
          handle: new Uint8Array([0, 0, 0, random(40)]),
          offset: random(99),
          data: new Uint8Array(random(99)),
        }),
      (id) => msg.Stat.encode(id, { path: any() }),
      (id) => msg.Lstat.encode(id, { path: any() }),
      (id) => msg.Setstat.encode(id, { path: any(), attributes: { size: random(99) } }),
      (id) => msg.Opendir.encode(id, { path: any() }),
      (id) => msg.Readdir.encode(id, { handle: new Uint8Array([0, 0, 0, random(40)]) }),
      (id) => msg.Remove.encode(id, { path: any() }),
      (id) => msg.Mkdir.encode(id, { path: any(), attributes: {} }),
      (id) => msg.Rmdir.encode(id, { path: any() }),
      (id) => msg.Realpath.encode(id, { path: any() }),
      (id) => msg.Rename.encode(id, { from: any(), to: any() }),
      (id) => msg.Readlink.encode(id, { path: any() }),
      (id) => msg.Symlink.encode(id, { target: any(), link: any() }),
      (id) =>
        msg.Extended.encode(id, {
          request: ["posix-rename@openssh.com", "hardlink@openssh.com"][random(2)]!,
          data: msg.TwoPaths.encode({ from: any(), to: any() }),
        }),
    ];
    const { peer, served } = await atOurServer(localFiles({ root: `${outside.path}/root` }));
    for (let round = 0; round < 2000 * LONG; round++) {
      const id = random(2 ** 31);
      const request = requests[random(requests.length)]!(id);
      if (random(3) === 0) {
        const head = request.slice(0, 9);
        request.set(mutate(request.subarray(9), random).subarray(0, request.length - 9), 9);
        request.set(head);
      }
      await keeping("sftp_requests", framed(request), async (bytes) => {
        await peer.send(bytes);
        const answer = await peer.next();
        assert(answer !== null && answer.id === id, `round ${round}`);
        assert(answer.type > 100 && answer.type < 106, `round ${round}: type ${answer.type}`);
      });
    }
    await peer.channel.closeWrite();
    assertEquals(await served, null);
    const left = await Array.fromAsync(Deno.readDir(outside.path), ({ name }) => name);
    assertEquals(left.sort(), ["root", "x"]);
    assertEquals(await Deno.readTextFile(`${outside.path}/x`), "outside");
  },
);

fuzzTest("fuzz: random bytes only end a server's session", async (random) => {
  for (let round = 0; round < 200 * LONG; round++) {
    const { peer, served } = await atOurServer({});
    const bytes = Uint8Array.from({ length: random(200) }, () => random(256));
    if (bytes.length > 1 && random(2) === 0) bytes.set([0, 0], 0);
    await peer.send(bytes);
    await peer.channel.close();
    const error = await served;
    assert(error === null || error instanceof SftpError, `round ${round}: ${error}`);
  }
});

fuzzTest(
  "fuzz: for any answers of a server, a client gets a value or one clear error",
  async (random) => {
    await using here = await folder();
    const entry = { name: "a", longname: "", attributes: { mode: 0o100644, size: 3 } };
    const answers: ((id: number) => Uint8Array)[] = [
      (id) => msg.Status.encode(id, { status: random(10), message: "no", language: "" }),
      (id) => msg.Handle.encode(id, { handle: new Uint8Array([random(256)]) }),
      (id) => msg.Data.encode(id, { data: new Uint8Array(1 + random(9)) }),
      (id) => msg.Name.encode(id, { entries: Array(random(3)).fill(entry) }),
      (id) => msg.Attrs.encode(id, { attributes: entry.attributes }),
      (id) => msg.ExtendedReply.encode(id, { data: new Uint8Array(random(40)) }),
    ];
    const fitting = new Map<number, number>([
      [FXP.OPEN, 1],
      [FXP.OPENDIR, 1],
      [FXP.READ, 2],
      [FXP.READDIR, 3],
      [FXP.REALPATH, 3],
      [FXP.STAT, 4],
      [FXP.LSTAT, 4],
      [FXP.FSTAT, 4],
    ]);
    for (let round = 0; round < 500 * LONG; round++) {
      const sftp = await atServer(async ({ type, id }, peer) => {
        const index = random(6) === 0 ? random(answers.length) : fitting.get(type) ?? 0;
        let answer = answers[index]!(id);
        if (random(8) === 0) answer = mutate(answer, random);
        await peer.send(random(20) === 0 ? answer : framed(answer));
        if (random(30) === 0) await peer.channel.close();
      }, { timeout: 50 });
      const path = `${here.path}/${round}`;
      const attempts: (() => Promise<unknown>)[] = [
        () => sftp.stat("/x"),
        () => sftp.get("/x", path),
        () => sftp.get("/x", path, { recursive: true }),
        () => sftp.readFile("/x"),
        () => sftp.put(new Uint8Array(99), "/x"),
        () => Array.fromAsync(sftp.readDir("/x")),
        () => sftp.realPath("."),
        () => sftp.remove("/x"),
        () => sftp.mkdir("/x/y", { recursive: true }),
      ];
      const attempt = attempts[random(attempts.length)]!;
      const error = await attempt().then(() => null, (cause) => cause);
      assert(error === null || error instanceof SftpError, `round ${round}: ${error?.stack}`);
      await sftp.close();
    }
  },
);
