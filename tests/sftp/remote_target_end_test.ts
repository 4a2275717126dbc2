/** The end of a server's file written by a transfer: attributes, the last writes, the CLOSE and the rename. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { plainMessage } from "../../lib/error_messages.ts";
import {
  SftpError,
  type SftpFileInfo,
  SftpStatus,
  type SftpTransferOptions,
} from "../../lib/sftp/mod.ts";
import { EXTENSION } from "../../lib/sftp/protocol/numbers.ts";
import { FakeTime } from "../support/fake_time.ts";
import { closeAll, data, INFO, world, write } from "./target_world.ts";
import { same, turn } from "./world.ts";

const { FAILURE, PERMISSION_DENIED } = SftpStatus;

Deno.test("attributes are set on the open file, after the sync and before the close", async () => {
  await using w = await world(EXTENSION.FSYNC);
  const options = { preserve: true, owners: true, sync: true };
  await write(await w.target(options));
  assertEquals(w.log().slice(-4), [
    "FSETSTAT /dir/.part mode=640 owner=7:8 times=2000:2000",
    "FSYNC /dir/.part",
    "CLOSE /dir/.part",
    "RENAME /dir/.part /dir/file",
  ]);
  w.server.files.clear();
  const cases: [SftpTransferOptions, Partial<SftpFileInfo>, set: string | null][] = [
    [{ preserve: true }, {}, "mode=640 times=2000:2000"],
    [{ preserve: true }, { atime: new Date(5000) }, "mode=640 times=5:2000"],
    [{ preserve: true }, { mtime: null }, "mode=640"],
    [{ owners: true }, {}, "owner=7:8"],
    [{ owners: true }, { uid: null }, null],
    [{ owners: true }, { gid: null }, null],
    [{}, {}, null],
  ];
  for (const [options, changes, set] of cases) {
    const info = { ...INFO, ...changes };
    await write(await w.target(options, { info }), data, info);
    const found = w.log().filter((line) => line.startsWith("FSETSTAT"));
    assertEquals(found, set === null ? [] : [`FSETSTAT /dir/.part ${set}`]);
    w.server.files.clear();
  }
});

Deno.test("attributes refused for the open file are set by name, with a warning", async () => {
  await using w = await world();
  w.server.refuse = (line) => /^F?SETSTAT.*(owner)/.test(line) ? PERMISSION_DENIED : undefined;
  await write(await w.target({ preserve: true, owners: true }));
  assertEquals(w.log().slice(-5), [
    "RENAME /dir/.part /dir/file",
    "SETSTAT /dir/file mode=640 owner=7:8 times=2000:2000",
    "SETSTAT /dir/file mode=640",
    "SETSTAT /dir/file times=2000:2000",
    "SETSTAT /dir/file owner=7:8",
  ]);
  assertEquals(w.warnings.length, 1);
});

Deno.test("after a failed close or flush the file is not renamed", async () => {
  for (const [request, options] of [["CLOSE", {}], ["FSYNC", { sync: true }]] as const) {
    await using w = await world(EXTENSION.FSYNC);
    const target = await w.target(options);
    let once = true;
    w.server.refuse = (line) => {
      if (!line.startsWith(request) || !once) return undefined;
      once = false;
      return FAILURE;
    };
    await assertRejects(() => write(target), SftpError);
    assertEquals(w.log().filter((line) => line.startsWith("RENAME")), []);
    await target.discard(new Error("enough"));
    assertEquals(w.server.files.size, 0);
    if (request === "CLOSE") await closeAll(w);
  }
});

Deno.test("a refusal of the final file gets a reason, and another error stays as it is", async () => {
  await using w = await world();
  const target = await w.target();
  w.server.folders.set("/dir/file", 0o755);
  const refused = (path: string) =>
    new SftpError(FAILURE, "write", path, `Cannot write "${path}" on the server: Failure`);
  const errors = [new Error("the source failed"), refused("/dir/other"), refused("/source")];
  w.log();
  for (const error of errors) assertEquals(await target.explain!(error), error);
  assertEquals(w.log(), []);
  const explained = await target.explain!(
    new SftpError(FAILURE, "write", "/dir/file", 'Cannot write "/dir/file" on the server: Failure'),
  );
  assert(explained instanceof SftpError);
  assertEquals(
    plainMessage(explained),
    'Cannot write "/dir/file" on the server: it is a directory',
  );
  await target.discard(new Error("enough"));
});

Deno.test("the last writes, attributes and the CLOSE take one round trip, and the rename follows", async () => {
  for (const resume of [false, true]) {
    await using w = await world();
    const target = await w.target({ preserve: true, resume });
    w.log();
    const gate = Promise.withResolvers<undefined>();
    w.server.refuse = (line) => line.startsWith("WRITE") ? gate.promise : undefined;
    await target.write(data.subarray(0, 100), () => {});
    assertEquals(target.flushesLast, true);
    const committing = target.commit(INFO);
    await turn();
    const file = resume ? "/dir/.kept" : "/dir/.part";
    assertEquals(w.log(), [
      `WRITE ${file} 0 100`,
      ...resume ? [`FSTAT ${file}`, `LSTAT ${file}`] : [],
      `FSETSTAT ${file} mode=640 times=2000:2000`,
      `CLOSE ${file}`,
    ]);
    gate.resolve(undefined);
    await committing;
    assertEquals(w.log(), [`RENAME ${file} /dir/file`]);
  }
});

Deno.test("a write refused during the close is repeated, or the file is not renamed", async () => {
  for (const refusals of [1, Infinity]) {
    await using w = await world();
    const target = await w.target();
    w.log();
    let refused = 0;
    w.server.refuse = (line) =>
      line.startsWith("WRITE") && refused++ < refusals ? turn().then(() => FAILURE) : undefined;
    await target.write(data.subarray(0, 100), () => {});
    if (refusals === 1) {
      await target.commit(INFO);
      assert(same(w.server.data("/dir/file")!, data.subarray(0, 100)));
      assertEquals(w.log(), [
        "WRITE /dir/.part 0 100",
        "CLOSE /dir/.part",
        "OPEN /dir/.part write",
        "WRITE /dir/.part 0 100",
        "CLOSE /dir/.part",
        "RENAME /dir/.part /dir/file",
      ]);
    } else {
      const error = await assertRejects(() => target.commit(INFO), SftpError, "write");
      await target.discard(error);
      assertEquals([...w.server.files.keys()], []);
    }
  }
});

Deno.test("a refused write is reported if its file cannot be opened again", async () => {
  await using w = await world();
  const target = await w.target();
  w.server.refuse = (line) =>
    line.startsWith("OPEN") ? PERMISSION_DENIED : line.startsWith("WRITE") ? FAILURE : undefined;
  await target.write(data.subarray(0, 100), () => {});
  const error = await assertRejects(() => target.commit(INFO), SftpError, "write");
  assertEquals(error.status, FAILURE);
  await target.discard(error);
});

Deno.test("a server that refuses requests during a write gets the CLOSE again", async () => {
  for (const broken of [false, true]) {
    await using w = await world(EXTENSION.FSYNC);
    let writing = true;
    w.server.refuse = (line) => {
      if (line.startsWith("CLOSE") && broken) return FAILURE; // the disk is full
      if (!line.startsWith("WRITE")) {
        return writing && /CLOSE|FSYNC/.test(line) ? FAILURE : undefined;
      }
      return turn().then(() => {
        writing = false;
        return undefined;
      });
    };
    const target = await w.target({ preserve: true, sync: true });
    await target.write(data.subarray(0, 100), () => {});
    w.log();
    const committing = target.commit(INFO);
    if (!broken) {
      await committing;
      assertEquals(w.log().slice(-4), [
        "FSETSTAT /dir/.part mode=640 times=2000:2000",
        "FSYNC /dir/.part",
        "CLOSE /dir/.part",
        "RENAME /dir/.part /dir/file",
      ]);
      assert(same(w.server.data("/dir/file")!, data.subarray(0, 100)));
    } else {
      const error = await assertRejects(() => committing, SftpError, "close");
      w.server.refuse = () => undefined;
      await target.discard(error);
      assertEquals([...w.server.files.keys()], []);
    }
  }
});

Deno.test("attributes refused during a write are set once, on the open file", async () => {
  await using w = await world();
  let writing = true;
  w.server.refuse = (line) => {
    if (!line.startsWith("WRITE")) {
      return writing && /CLOSE|FSETSTAT/.test(line) ? FAILURE : undefined;
    }
    return turn().then(() => {
      writing = false;
      return undefined;
    });
  };
  const target = await w.target({ preserve: true });
  await target.write(data.subarray(0, 100), () => {});
  w.log();
  await target.commit(INFO);
  assertEquals(w.log().slice(-3), [
    "FSETSTAT /dir/.part mode=640 times=2000:2000",
    "CLOSE /dir/.part",
    "RENAME /dir/.part /dir/file",
  ]);
  assertEquals(w.warnings, []);
});

Deno.test("a CLOSE that is not answered in time is not repeated", async () => {
  await using w = await world();
  const target = await w.target();
  const gate = Promise.withResolvers<undefined>();
  const late = Promise.withResolvers<undefined>();
  w.server.refuse = (line) =>
    line.startsWith("WRITE") ? late.promise : line.startsWith("CLOSE") ? gate.promise : undefined;
  await target.write(data.subarray(0, 100), () => {});
  w.log();
  {
    using time = new FakeTime();
    const committing = target.commit(null);
    committing.catch(() => {});
    await time.advance(1000);
    late.resolve(undefined);
    await assertRejects(() => time.settle(committing), SftpError);
  }
  assertEquals(w.log(), ["WRITE /dir/.part 0 100", "CLOSE /dir/.part"]);
  gate.resolve(undefined);
  await target.discard(new Error("enough"));
});

Deno.test("a server that accepts one request at a time also gets the last ones that way", async () => {
  await using w = await world(EXTENSION.FSYNC);
  let running = 0;
  w.server.refuse = (line) => {
    if (!/^(WRITE|FSETSTAT|FSYNC|CLOSE)/.test(line)) return undefined;
    if (running > 0) return FAILURE;
    running++;
    return turn().then(() => {
      running--;
      return undefined;
    });
  };
  await write(await w.target({ preserve: true, sync: true }));
  assertEquals(w.log().slice(-4), [
    "FSETSTAT /dir/.part mode=640 times=2000:2000",
    "FSYNC /dir/.part",
    "CLOSE /dir/.part",
    "RENAME /dir/.part /dir/file",
  ]);
  assert(same(w.server.data("/dir/file")!, data));
});
