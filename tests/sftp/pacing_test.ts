import { assert, assertEquals } from "@std/assert";
import { SFTP_MAX_CHUNK } from "../../lib/defaults.ts";
import { PathEstimate, RequestPacing } from "../../lib/sftp/remote/pacing.ts";
import { localFiles, serveSftp, type SftpBackend, SftpClient } from "../../lib/sftp/mod.ts";
import { FakeTime } from "../support/fake_time.ts";
import { channelPair, folder, noise, same } from "./world.ts";

const MIB = 1024 ** 2;

Deno.test("a transfer starts with the amount in flight of earlier ones, within its memory limit", () => {
  const path = new PathEstimate(() => 50);
  const fresh = new RequestPacing(SFTP_MAX_CHUNK, path);
  path.held = 10 * MIB;
  const later = new RequestPacing(SFTP_MAX_CHUNK, path);
  assert(fresh.depth * fresh.block < 8 * MIB);
  assert(later.depth * later.block >= 20 * MIB);
  const small = new RequestPacing(SFTP_MAX_CHUNK, path, 4 * MIB);
  assert(small.depth * small.block <= 4 * MIB);
});

Deno.test("several channels have as much in flight as they hold, at any round trip", () => {
  using time = new FakeTime();
  const path = new PathEstimate(() => 1); // of an empty link, whose rate is limited
  const pacing = new RequestPacing(SFTP_MAX_CHUNK, path);
  const underWay = () => {
    for (let i = 0; i < 50; i++) {
      time.skip(50);
      pacing.passed(MIB);
    }
    return pacing.depth * pacing.block;
  };
  assert(underWay() <= 4 * MIB);
  pacing.widen(0, 8 * MIB);
  assert(underWay() >= 8 * MIB && underWay() < 18 * MIB);
  const small = new RequestPacing(SFTP_MAX_CHUNK, path, 2 * MIB);
  small.widen(2 * MIB, 8 * MIB);
  assert(small.depth * small.block <= 2 * MIB);
});

Deno.test("a put fills its requests, even if the file's length is not a multiple of theirs", async () => {
  await using there = await folder();
  await using here = await folder();
  const files = localFiles({ root: there.path });
  const lengths: number[] = [];
  const backend: SftpBackend = {
    stat: (path) => files.stat!(path),
    lstat: (path) => files.lstat!(path),
    rename: (from, to, options) => files.rename!(from, to, options),
    async open(path, options) {
      const file = await files.open!(path, options);
      return {
        parallel: false,
        read: (into, offset) => file.read(into, offset),
        stat: () => file.stat(),
        setStat: (changes) => file.setStat(changes),
        close: () => file.close(),
        write(data, offset) {
          lengths.push(data.length);
          return file.write(data, offset);
        },
      };
    },
  };
  const [near, far] = channelPair();
  const served = serveSftp(far, backend);
  const sftp = await SftpClient.open(near);
  const data = noise(3 * MIB + 5);
  await Deno.writeFile(`${here.path}/file`, data);
  await sftp.put(`${here.path}/file`, "/file");
  await sftp.close();
  await served;
  assert(same(await Deno.readFile(`${there.path}/file`), data));
  const last = lengths.pop();
  assertEquals(new Set(lengths), new Set([SFTP_MAX_CHUNK]));
  assertEquals(lengths.length * SFTP_MAX_CHUNK + last!, data.length);
});
