import { assert, assertEquals } from "@std/assert";
import { type SftpClient, SftpError, SftpStatus } from "../../lib/sftp/mod.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { nullIfRefused } from "../../lib/sftp/protocol/status.ts";
import { FXP } from "../../lib/sftp/protocol/numbers.ts";
import { type Quirks, QuirkyServer } from "./quirky_server.ts";
import { atServer } from "./raw.ts";
import { folder, noise, ourWorld, refusal, same } from "./world.ts";
import { plainMessage } from "../../lib/error_messages.ts";

const { STAT, LSTAT, FSTAT, SETSTAT, FSETSTAT, RENAME } = FXP;

function refusing(status: number, ...types: number[]): Quirks {
  return { refused: Object.fromEntries(types.map((type) => [type, status])) };
}

/** The cost of a quirk: operations that may fail, and whether a put warns. */
interface Case {
  readonly quirks: Quirks;
  /** Operations that fail with an `SftpError`. */
  readonly fails?: readonly string[];
  /** Puts that succeed with a warning. */
  readonly warns?: readonly string[];
}

const NEW = ["put new", "put over", "put stream", "preserve"];
const ALL = [...NEW, "put resumed"];

/** Puts that replace a file. */
const OVER = ["put over", "put stream", "put resumed"];

/** Puts that set a mode. */
const MODES = [...OVER, "preserve", "in place preserve"];

const cases: Record<string, Case> = {
  "has no quirk": { quirks: {} },
  "sends statuses without texts": { quirks: { status: "bare" } },
  "sends two statuses in one message": { quirks: { status: "trailing" } },
  "does not know sizes (-1)": { quirks: { attributes: "size -1" } },
  "does not know sizes (0)": { quirks: { attributes: "size 0" } },
  "sends modes without a type": { quirks: { attributes: "no type" } },
  "sends modes with more bits": { quirks: { attributes: "more bits" } },
  "sends no attributes": { quirks: { attributes: "none" } },
  "sends attributes with trailing bytes": { quirks: { attributes: "trailing" } },
  "marks folders with a slash": { quirks: { slashes: true } },
  "sends short reads": { quirks: { shortReads: 100 } },
  "sends a byte after data": { quirks: { endByte: true } },
  "ends files with empty data": { quirks: { emptyEnd: true } },
  "says 11 for a folder that exists": { quirks: { mkdirExists: 11 } },
  "says 3 for a folder that exists": { quirks: { mkdirExists: 3 } },
  "says 11 for a name that is taken": { quirks: { renameExists: 11 } },
  "says 3 for a name that is taken": { quirks: { renameExists: 3 } },
  "refuses STAT as missing": {
    quirks: refusing(2, STAT, LSTAT),
    fails: ["stat"],
    warns: OVER,
  },
  "refuses STAT": { quirks: refusing(3, STAT, LSTAT), fails: ["stat"], warns: OVER },
  "knows no STAT": {
    quirks: refusing(8, STAT, LSTAT, FSTAT),
    fails: ["stat"],
    warns: OVER,
  },
  "refuses FSETSTAT": { quirks: refusing(3, FSETSTAT) },
  "knows no FSETSTAT": { quirks: refusing(8, FSETSTAT) },
  "refuses to set attributes": {
    quirks: refusing(3, FSETSTAT, SETSTAT),
    warns: ["put stream", "put resumed", "preserve", "in place preserve"],
  },
  "lets clients choose no mode": { quirks: { modes: 3 }, warns: MODES },
  "fails where clients choose a mode": { quirks: { modes: 4 }, warns: MODES },
  "sends the mode alone": { quirks: { attributes: "mode only" } },
  "sends the size alone": { quirks: { attributes: "size only" } },
  "sends extended attributes": { quirks: { attributes: "extended" } },
  "sends zeros for attributes": { quirks: { attributes: "zeros" } },
  "answers 4 for a missing file": { quirks: { missing: 4 } },
  "answers 3 for a missing file": { quirks: { missing: 3 } },
  "answers 10 for a missing file": { quirks: { missing: 10 } },
  "ends names with a NUL": { quirks: { nuls: true } },
  "ends listings with OK": { quirks: { listing: "ends with OK" } },
  "ends listings with no names": { quirks: { listing: "ends with no names" } },
  "lists one name at a time": { quirks: { listing: "one by one" } },
  "fails to read at the end": { quirks: { readEnd: 4 } },
  "says 2 at the end of a file": { quirks: { readEnd: 2 } },
  "has handles of 256 bytes": { quirks: { handleLength: 256 } },
  "answers twice": { quirks: { replies: "twice" } },
  "answers out of order": { quirks: { replies: "late" } },
  "fails to close read files": { quirks: { close: 4 } },
  "knows no LSTAT": { quirks: refusing(8, LSTAT), warns: OVER },
  "refuses FSTAT": { quirks: refusing(3, FSTAT) },
  "knows no READLINK, REALPATH": { quirks: refusing(8, FXP.READLINK, FXP.REALPATH) },
  "refuses RENAME": { quirks: refusing(3, RENAME), warns: ALL },
  "knows no RENAME": { quirks: refusing(8, RENAME), warns: ALL },
  "fails to RENAME": { quirks: refusing(4, RENAME), warns: NEW },
  "refuses EXCL": { quirks: { exclusive: 4 }, warns: NEW },
  "knows no EXCL": { quirks: { exclusive: 8 }, warns: NEW },
  "refuses names with a dot": { quirks: { dots: 4 }, warns: ALL },
  "denies names with a dot": { quirks: { dots: 3 }, warns: ALL },
  "says that names with a dot are missing": { quirks: { dots: 2 }, warns: ALL },
};

for (const [what, { quirks, fails = [], warns = [] }] of Object.entries(cases)) {
  Deno.test(`with a server that ${what} no session and no file is lost`, async () => {
    await using here = await folder();
    const server = new QuirkyServer(quirks);
    const sftp = await atServer(server.answer);
    const data = noise(50_000);
    await Deno.writeFile(`${here.path}/local`, data);
    const f = server.files.get("/f.txt")!;
    const put = async (path: string, run: () => ReturnType<SftpClient["put"]>) => {
      const { warnings } = await run();
      assert(same(server.files.get(path)!, data), `${path} is whole`);
      for (const { message } of warnings) assert(!/\/\.|\.part|\.old/.test(message), message);
      return warnings.length > 0;
    };
    const operations: Record<string, () => Promise<boolean | void>> = {
      "stat": async () => {
        const [file, deep] = [await sftp.stat("/f.txt"), await sftp.stat("/d")];
        assertEquals([file.isFile, file.isDirectory, deep.isFile, deep.isDirectory], [
          true,
          false,
          false,
          true,
        ]);
      },
      "list": async () => {
        const list = await Array.fromAsync(sftp.readDir("/"));
        const found = list.map(({ name, isFile, isDirectory }) => [name, isFile, isDirectory]);
        assertEquals(found, [["d", false, true], ["f.txt", true, false]]);
      },
      "open": async () => {
        await using file = await sftp.open("/f.txt");
        const bytes = new Uint8Array(5);
        assertEquals(await file.readAt(bytes, 6), 5);
        assert(same(bytes, f.subarray(6, 11)));
      },
      "read": async () => assert(same(await sftp.readFile("/f.txt"), f)),
      "get": async () => {
        await sftp.get("/f.txt", `${here.path}/f.txt`);
        assert(same(await Deno.readFile(`${here.path}/f.txt`), f));
      },
      "get -r": async () => {
        const { files } = await sftp.get("/d", `${here.path}/d`, { recursive: true });
        assertEquals(files, 2);
        const b = server.files.get("/d/b.txt")!;
        assert(same(await Deno.readFile(`${here.path}/d/b.txt`), b));
      },
      "put new": () => put("/new", () => sftp.put(data, "/new")),
      "put over": () => put("/f.txt", () => sftp.put(`${here.path}/local`, "/f.txt")),
      "put stream": () => put("/new", () => sftp.put(ReadableStream.from([data]), "/new")),
      "preserve": () =>
        put("/kept", () => sftp.put(`${here.path}/local`, "/kept", { preserve: true })),
      "in place": () => put("/f.txt", () => sftp.put(data, "/f.txt", { atomic: false })),
      "in place preserve": () => {
        const options = { preserve: true, atomic: false };
        return put("/kept", () => sftp.put(`${here.path}/local`, "/kept", options));
      },
      "put resumed": async () => {
        server.files.set("/resumed", data.slice(0, 20_000));
        const options = { resume: true, inFlight: 4096 };
        return await put("/resumed", () => sftp.put(`${here.path}/local`, "/resumed", options));
      },
      "mkdir -p": async () => {
        for (let i = 0; i < 2; i++) await sftp.mkdir("/p/q", { recursive: true });
        assert(server.folders.has("/p/q"));
      },
      "put -r": async () => {
        await Deno.mkdir(`${here.path}/tree/deep`, { recursive: true });
        await Deno.writeFile(`${here.path}/tree/deep/file`, data);
        for (let i = 0; i < 2; i++) {
          await sftp.put(`${here.path}/tree`, "/tree", { recursive: true });
          assert(same(server.files.get("/tree/deep/file")!, data));
        }
      },
      "remove -r": async () => {
        if (quirks.refused?.[LSTAT] !== undefined) return;
        await sftp.remove("/tree", { recursive: true });
        assert(!server.folders.has("/tree"));
      },
      "rename over": async () => {
        if (quirks.refused?.[RENAME] !== undefined) return;
        server.files.set("/old", data);
        server.files.set("/taken", f);
        if (quirks.refused?.[LSTAT] === undefined) await sftp.rename("/old", "/taken");
        else server.files.delete("/old");
      },
    };
    for (const [operation, run] of Object.entries(operations)) {
      let outcome: boolean | void | SftpError;
      try {
        outcome = await run();
      } catch (cause) {
        assert(cause instanceof SftpError, `${operation}: ${cause}`);
        assert(fails.includes(operation), `${operation}: ${plainMessage(cause)}`);
        assert(!plainMessage(cause).includes("/."), plainMessage(cause));
        outcome = cause;
      }
      assertEquals(outcome instanceof SftpError, fails.includes(operation), operation);
      if (operation.startsWith("put") || operation.includes("preserve")) {
        if (outcome !== undefined) assertEquals(outcome, warns.includes(operation), operation);
      }
      await nullIfRefused(sftp.realPath(".")); // the session is alive, and CLOSEs have been answered
      const hidden = [...server.files.keys()].filter((path) => path.includes("/."));
      assertEquals([hidden, server.open], [[], 0], `${operation} leaves nothing`);
    }
    await sftp.close();
  });
}

for (const handles of [1, 2, 5]) {
  Deno.test(`a server that allows ${handles} open handles loses no file of a tree`, async () => {
    await using here = await folder();
    await Deno.mkdir(`${here.path}/tree/deep`, { recursive: true });
    const files = Array.from({ length: 30 }, (_, i) => i % 2 ? `${i}` : `deep/${i}`);
    for (const [i, name] of files.entries()) {
      await Deno.writeFile(`${here.path}/tree/${name}`, noise(i * 1000, i));
    }
    const server = new QuirkyServer({ handles });
    const sftp = await atServer(server.answer);
    await sftp.put(`${here.path}/tree`, "/tree", { recursive: true });
    await sftp.get("/tree", `${here.path}/back`, { recursive: true });
    for (const [i, name] of files.entries()) {
      assert(same(server.files.get(`/tree/${name}`)!, noise(i * 1000, i)), name);
      assert(same(await Deno.readFile(`${here.path}/back/${name}`), noise(i * 1000, i)), name);
    }
    await sftp.realPath(".");
    assertEquals(server.open, 0);
    assertEquals([...server.files.keys()].filter((path) => path.includes("/.")), []);
    await sftp.close();
  });
}

Deno.test("only a few of the files that a server never opens are retried", async () => {
  await using here = await folder();
  const server = new QuirkyServer();
  for (let i = 0; i < 50; i++) server.files.set(`/d/${i}`, noise(10));
  let opens = 0;
  const sftp = await atServer(async (request, peer) => {
    if (request.type !== FXP.OPEN) return await server.answer(request, peer);
    opens++;
    await peer.send(msg.Status.encode(request.id, { status: 4, message: "no", language: "" }));
  });
  const options = { recursive: true, partial: true };
  const { failures, files } = await sftp.get("/d", `${here.path}/d`, options);
  assertEquals([failures.length, files, opens], [52, 0, 52 + 3]);
  await sftp.close();
});

Deno.test("a server that refuses RENAME and REMOVE gets one temporary file, and a warning of it", async () => {
  const server = new QuirkyServer(refusing(3, RENAME, FXP.REMOVE));
  const sftp = await atServer(server.answer);
  const data = noise(50_000);
  const counts: number[] = [];
  for (const path of ["/one", "/two", "/one"]) {
    counts.push((await sftp.put(data, path)).warnings.length);
    assert(same(server.files.get(path)!, data));
  }
  assertEquals(counts, [2, 1, 1]);
  assertEquals([...server.files.keys()].filter((path) => path.includes("/.")).length, 1);
  await sftp.close();
});

Deno.test("names that are not UTF-8 are listed, and accepted in paths", async () => {
  await using here = await folder();
  const bytes = (last: number) => new Uint8Array([0x63, 0x61, 0x66, last]);
  const server = new QuirkyServer({ names: [bytes(0xe9), bytes(0xe8)] });
  const listed = async () => {
    const names = await Array.fromAsync(sftp.readDir("/d"), ({ name }) => name);
    return names.filter((name) => name.startsWith("caf"));
  };
  const sftp = await atServer(server.answer);
  const [first, second] = await listed();
  assertEquals([first, second], ["caf\udce9", "caf\udce8"]);
  // Local names are UTF-8, so no file is written for such a name, which could also merge two files.
  const options = { recursive: true, partial: true };
  const { failures, files } = await sftp.get("/d", `${here.path}/d`, options);
  assertEquals([failures.length, files], [2, 2]);
  await sftp.put(noise(20), `/d/${second}`);
  assertEquals((await sftp.stat(`/d/${second}`)).size, 20);
  await sftp.rename(`/d/${second}`, `/d/${first}`);
  assertEquals((await sftp.readFile(`/d/${first}`)).length, 20);
  await sftp.get(`/d/${first}`, `${here.path}/cafe`);
  await sftp.remove(`/d/${first}`);
  assertEquals(server.files.size, 3);
  await sftp.close();
});

Deno.test("our server makes no file with a name that is not UTF-8", async () => {
  await using world = await ourWorld();
  for (const path of ["/caf\udce9", "/caf\udce8"]) {
    assertEquals(await refusal(world.sftp.writeTextFile(path, "x")), SftpStatus.FAILURE);
    assertEquals(await refusal(world.sftp.put(noise(9), path)), SftpStatus.FAILURE);
    assertEquals(await refusal(world.sftp.mkdir(path)), SftpStatus.FAILURE);
    assertEquals(await refusal(world.sftp.symlink(path, "/link")), SftpStatus.FAILURE);
  }
  assertEquals(await Array.fromAsync(Deno.readDir(world.root)), []);
});

Deno.test("a put fails if the requested mode cannot be set", async () => {
  const server = new QuirkyServer({ modes: 3 });
  const sftp = await atServer(server.answer);
  assertEquals(await refusal(sftp.put(noise(10), "/f.txt", { mode: 0o600 })), 3);
  await sftp.realPath(".");
  assertEquals([[...server.files.keys()].length, server.open], [3, 0]);
  await sftp.close();
});

Deno.test("copyFile also copies if the mode cannot be set", async () => {
  for (const quirks of [{ modes: 3 }, refusing(8, FSETSTAT)]) {
    const server = new QuirkyServer(quirks);
    const sftp = await atServer(server.answer);
    await sftp.copyFile("/f.txt", "/copy");
    assert(same(server.files.get("/copy")!, server.files.get("/f.txt")!));
    await sftp.realPath("."); // CLOSEs have been answered
    assertEquals(server.open, 0);
    await sftp.close();
  }
});

Deno.test("a put beyond a quota fails, leaves nothing, and keeps the old file", async () => {
  const server = new QuirkyServer({ quota: 40_000 });
  const sftp = await atServer(server.answer);
  const old = server.files.get("/f.txt")!;
  for (const path of ["/new", "/f.txt"]) {
    const error = await sftp.put(noise(50_000), path).then(() => null, (cause) => cause);
    assert(error instanceof SftpError && error.status === 15, `${error}`);
    assertEquals(plainMessage(error), `Cannot write "${path}" on the server: no`);
  }
  await sftp.realPath(".");
  assertEquals([...server.files.keys()], ["/f.txt", "/d/a.txt", "/d/b.txt"]);
  assertEquals([server.files.get("/f.txt"), server.open], [old, 0]);
  await sftp.close();
});
