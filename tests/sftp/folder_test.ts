/** A folder between two stores in memory: the calls to both, and lost connections. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { SftpError, type SftpFileInfo, SftpStatus } from "../../lib/sftp/mod.ts";
import type { SftpTransferOptions } from "../../lib/sftp/mod.ts";
import { infoOf } from "../../lib/sftp/protocol/attributes.ts";
import { nameProblem } from "../../lib/sftp/protocol/paths.ts";
import type {
  FileStore,
  TargetRequest,
  TransferSource,
  TransferTarget,
} from "../../lib/sftp/transfer/file_store.ts";
import type { TransferContext } from "../../lib/sftp/transfer/file_transfer.ts";
import { FolderTransfer } from "../../lib/sftp/transfer/folder_transfer.ts";
import { Progress } from "../../lib/sftp/transfer/progress.ts";
import { TaskPool } from "../../lib/sftp/transfer/task_pool.ts";
import { SFTP_FILES_AT_ONCE, SFTP_FOLDERS_AT_ONCE, SFTP_MAX_DEPTH } from "../../lib/defaults.ts";
import { plainMessage } from "../../lib/error_messages.ts";
import { dirEntry } from "../../lib/sftp/remote/dir_entry.ts";
import { turn } from "./world.ts";

const FOLDER = infoOf({ mode: 0o040750, uid: 1, gid: 2, atime: 3, mtime: 4 });
const FILE = infoOf({ mode: 0o100640, size: 5 });
const LINK = infoOf({ mode: 0o120777 });
/** Tasks in parallel. */
const TASKS = 9;

const lost = () => new SftpError(SftpStatus.CONNECTION_LOST, "read", "/from/x", "gone");

type Tree = Readonly<Record<string, readonly (readonly [name: string, info: SftpFileInfo])[]>>;

interface World {
  readonly log: string[];
  readonly requests: TargetRequest[];
  readonly progress: Progress;
  readonly open: Set<TransferSource>;
  readonly abort: AbortController;
  readonly context: { -readonly [K in keyof TransferContext]: TransferContext[K] };
  readonly from: { -readonly [K in keyof FileStore]: FileStore[K] };
  readonly to: { -readonly [K in keyof FileStore]: FileStore[K] };
  run(): Promise<void>;
  /** Transfers matches of a pattern, as names in `/from`. */
  some(...found: [name: string, info: SftpFileInfo][]): Promise<void>;
}

/** The folder `/from` with these listings, and an empty target. */
function world(tree: Tree, options: SftpTransferOptions = {}): World {
  const log: string[] = [];
  const requests: TargetRequest[] = [];
  const open = new Set<TransferSource>();
  const progress = new Progress(undefined);
  const abort = new AbortController();
  const pool = new TaskPool(TASKS, Infinity, abort.signal);
  const context = {
    options: { recursive: true, ...options },
    limits: {},
    inFlight: 1000,
    progress,
    throttle: null,
    signal: pool.signal,
    over: () => false,
    lost: () => 0,
    warn() {},
  };
  const from = {
    trusted: false,
    join: (folder: string, name: string) => `${folder}/${name}`,
    realPath: (path: string) => Promise.resolve(path.replaceAll("/loop", "")),
    stat: (path: string) => Promise.resolve(path.endsWith("/dead") ? null : FOLDER),
    folderOf: (path: string) => path.slice(0, path.lastIndexOf("/")),
    readLink: (path: string) =>
      path.includes("text of") || path === "/from"
        ? Promise.reject(new SftpError(4, "readLink", path, "it is no link"))
        : Promise.resolve(`text of ${path}`),
    async *list(path: string) {
      for (const [name, info] of tree[path] ?? []) yield { name, info };
    },
    source(path: string, info: SftpFileInfo) {
      log.push(`source ${path}`);
      const source: TransferSource = {
        size: info.size,
        info: null,
        sparse: false,
        next: () => Promise.resolve(null),
        release() {},
        close: () => void open.delete(source),
      };
      open.add(source);
      return Promise.resolve(source);
    },
  } as unknown as World["from"];
  const target: TransferTarget = {
    held: 0,
    write: () => Promise.resolve(),
    flush: () => Promise.resolve(),
    commit: () => Promise.resolve(),
    discard: () => Promise.resolve(),
  };
  const to = {
    trusted: true,
    join: (folder: string, name: string) => `${folder}/${name}`,
    nameProblem: (name: string) => nameProblem(name),
    async makeFolder(path: string, bits: number | null, place: string) {
      await turn();
      log.push(`mkdir ${path} ${bits?.toString(8) ?? null} ${place}`);
    },
    async symlink(text: string, path: string, root: string) {
      await turn();
      log.push(`link ${path} "${text}" ${root}`);
    },
    async setAttributes(path: string) {
      await turn();
      log.push(`finish ${path}`);
    },
    target(request: TargetRequest) {
      requests.push(request);
      return Promise.resolve(target);
    },
  } as unknown as World["to"];
  return {
    log,
    requests,
    progress,
    open,
    abort,
    context,
    from,
    to,
    run: () => new FolderTransfer(from, to, context, pool).run("/from", "/to", FOLDER),
    some: (...found) =>
      new FolderTransfer(from, to, context, pool).some(
        found.map(([name, info]) => ({ path: `/from/${name}`, ...dirEntry(name, info) })),
        "/to",
      ),
  };
}

const reasons = ({ progress: { failures } }: World) =>
  failures.map(({ path, error }) => `${path}: ${plainMessage(error)}`);

Deno.test("a target's root may be a link, and its folders may not", async () => {
  const w = world({ "/from": [["a", FOLDER]], "/from/a": [["b", infoOf({ mode: 0o040700 })]] });
  await w.run();
  assertEquals(w.log, [
    "mkdir /to 40750 root",
    "mkdir /to/a 40750 inside",
    "mkdir /to/a/b 40700 inside",
  ]);
});

Deno.test("folders are finished after their content, and only if an option asks for it", async () => {
  const tree = { "/from": [["a", FOLDER], ["x", FILE]], "/from/a": [["b", FOLDER]] } as const;
  for (const options of [{ preserve: true }, { owners: true }, {}]) {
    const w = world(tree, options);
    await w.run();
    const last = w.log.slice(-3);
    const finished = ["finish /to/a/b", "finish /to/a", "finish /to"];
    if (Object.keys(options).length > 0) assertEquals(last, finished);
    else assertEquals(w.log.filter((line) => line.startsWith("finish")), []);
  }
});

Deno.test("kept links are made last, inside the target", async () => {
  const w = world({ "/from": [["l", LINK], ["x", FILE]] }, { links: "keep" });
  await w.run();
  assertEquals(w.log, [
    "mkdir /to 40750 root",
    "source /from/x",
    'link /to/l "text of /from/l" /to',
  ]);
  assertEquals([w.progress.files, w.progress.skipped], [2, []]);
});

Deno.test("a listing waits for room in the pool, for its links as for its files", async () => {
  for (const info of [LINK, FILE]) {
    const w = world({}, { links: "keep" });
    let [listed, done, ahead] = [0, 0, 0];
    w.from.list = async function* () {
      for (; listed < 40; listed++) yield { name: `${listed}`, info };
    };
    const slowly = async () => {
      ahead = Math.max(ahead, listed - done);
      await turn();
      done++;
    };
    const { source } = w.from;
    w.from.readLink = async (path) => (await slowly(), path);
    w.from.source = async (path, info) => (await slowly(), await source(path, info));
    await w.run();
    assertEquals([done, w.progress.files], [40, 40]);
    assert(ahead <= TASKS, `${ahead} are listed, and not done`);
  }
});

Deno.test("links are skipped unless an option says otherwise, and dead ones also then", async () => {
  const tree = { "/from": [["l", LINK], ["dead", LINK]], "/from/l": [["x", FILE]] } as const;
  const skipping = world(tree);
  await skipping.run();
  assertEquals(skipping.progress.skipped, ["/from/l", "/from/dead"]);
  const following = world(tree, { links: "follow" });
  await following.run();
  assertEquals([following.progress.skipped, following.progress.files], [["/from/dead"], 1]);
});

Deno.test("a followed link that leads back is passed over", async () => {
  const w = world({ "/from": [["loop", LINK], ["x", FILE]] }, { links: "follow" });
  await w.run();
  assertEquals(w.log.filter((line) => line.startsWith("mkdir")), ["mkdir /to 40750 root"]);
  assertEquals([w.progress.files, reasons(w)], [1, []]);
  assertEquals(w.progress.skipped, ["/from/loop"]);
});

Deno.test("links that lead back are noticed where the server gives no real paths", async () => {
  const tree: Record<string, [string, SftpFileInfo][]> = {
    "/from": [["again", LINK], ["down", FOLDER], ["x", FILE]],
    "/from/down": [["up", LINK], ["two", LINK]],
  };
  const texts: Record<string, string> = {
    "/from/again": "/from",
    "/from/down/up": "..",
    "/from/down/two": "up",
  };
  const w = world({}, { links: "follow" });
  // Paths are only made shorter, as by Go's and paramiko's servers.
  const shortened = (path: string) =>
    new URL(path, "sftp://server").pathname.replace(/(.)\/$/, "$1");
  w.from.realPath = (path) => Promise.resolve(shortened(path));
  w.from.readLink = (path) => {
    const text = texts[path];
    return text === undefined
      ? Promise.reject(new SftpError(4, "readLink", null, "it is no link"))
      : Promise.resolve(text);
  };
  const listed: string[] = [];
  w.from.list = async function* (path) {
    listed.push(path);
    for (const [name, info] of tree[path] ?? []) yield { name, info };
  };
  await w.run();
  assertEquals(listed, ["/from", "/from/down"]);
  assertEquals(w.progress.skipped.toSorted(), [
    "/from/again",
    "/from/down/two",
    "/from/down/up",
  ]);
});

Deno.test("a name that is listed twice is used once", async () => {
  const w = world({ "/from": [["x", FILE], ["x", FILE], ["y", FILE]] });
  await w.run();
  assertEquals(reasons(w), [
    '/from/x: Cannot transfer "/from/x" on the server: cannot use the name "x": it is listed twice',
  ]);
  assertEquals(w.requests.map(({ path }) => path), ["/to/x", "/to/y"]);
});

Deno.test("names of a server are checked by the rules of the target, and names of this machine must be steps", async () => {
  for (const trusted of [false, true]) {
    const w = world({ "/from": [["..", FILE], ["a/b", FILE], ["ok", FILE]] });
    w.from.trusted = trusted;
    await w.run();
    assertEquals([w.requests.length, w.progress.failures.length], trusted ? [2, 1] : [1, 2]);
  }
});

Deno.test("a request for a target has the attributes of the opened file", async () => {
  const w = world({ "/from": [["x", FILE]] });
  const source = w.from.source;
  const info = infoOf({ mode: 0o100600, size: 9 });
  await w.run();
  w.from.source = async (path, listed) => ({ ...await source(path, listed), info, size: 9 });
  await new FolderTransfer(w.from, w.to, w.context, new TaskPool(9, 9, undefined))
    .run("/from", "/to", FOLDER);
  assertEquals(w.requests, [
    { path: "/to/x", name: "/from/x", info: FILE, size: 5, inside: true },
    { path: "/to/x", name: "/from/x", info, size: 9, inside: true },
  ]);
});

Deno.test("entries that are not selected are neither opened nor listed", async () => {
  const tree = {
    "/from": [["a", FOLDER], ["x", FILE], ["y", FILE]],
    "/from/a": [["x", FILE], ["z", FILE]],
  } as const;
  const w = world(tree, { exclude: ["a/z", "y"] });
  await w.run();
  assertEquals(w.requests.map(({ path }) => path).sort(), ["/to/a/x", "/to/x"]);
  const none = world(tree, { exclude: ["a", "*"] });
  await none.run();
  assertEquals(none.log, ["mkdir /to 40750 root"]);
});

Deno.test("entries of the target are removed only with delete, by their path below it", async () => {
  const tree = { "/from": [["a", FOLDER]], "/from/a": [["x", FILE]] } as const;
  const removed: string[] = [];
  for (const options of [{}, { delete: true, exclude: ["a/kept", "old"] }]) {
    const w = world(tree, options);
    const there: Tree = {
      "/to": [["a", FOLDER], ["gone", FILE]],
      "/to/a": [["x", FILE], ["kept", FILE], ["old2", FILE]],
    };
    w.to.stat = async () => {
      for (let turns = 0; turns < 10; turns++) await turn();
      return FOLDER;
    };
    w.to.realPath = (path) => Promise.resolve(path);
    w.to.lstat = w.to.stat;
    w.to.folderOf = (path) => path.slice(0, path.lastIndexOf("/"));
    w.to.isLink = () => Promise.resolve(false);
    w.to.list = async function* (path) {
      for (const [name, info] of there[path]!) yield { name, info };
    };
    w.to.remove = async (path) => {
      for (let turns = 0; turns < 3; turns++) await turn();
      removed.push(path);
    };
    await w.run();
    if (!options.delete) assertEquals(removed, []);
  }
  assertEquals(removed.sort(), ["/to/a/old2", "/to/gone"]);
});

Deno.test("after a failure what is in the way stays, and is told", async () => {
  const tree = { "/from": [["a", FOLDER], ["b", FILE], ["x", FILE]] } as const;
  const w = world(tree, { delete: true });
  w.to.stat = w.to.lstat = () => Promise.resolve(FOLDER);
  w.to.list = async function* () {
    yield { name: "a", info: FILE };
    yield { name: "b", info: FOLDER };
  };
  const { source } = w.from;
  w.from.source = (path, info) =>
    path === "/from/x"
      ? Promise.reject(new SftpError(3, "open", path, "denied"))
      : source(path, info);
  await w.run();
  const told = "a file, folder or link of another kind has its name, and is removed only if " +
    "everything else was transferred";
  assertEquals(reasons(w).slice(1), [
    `/from/a: Cannot transfer "/to/a" on this machine: ${told}`,
    `/from/b: Cannot transfer "/to/b" on this machine: ${told}`,
  ]);
  assertEquals([w.requests, w.progress.deleted], [[], []]);
});

Deno.test("a file is sent again if a further connection was lost, as often as one is", async () => {
  const w = world({ "/from": [["x", FILE], ["y", FILE]] });
  let losses = 0;
  w.context.lost = () => losses;
  const { source } = w.from;
  w.from.source = (path, info) => {
    if (path === "/from/x" && losses < 3) {
      losses++;
      return Promise.reject(lost());
    }
    return source(path, info);
  };
  await w.run();
  assertEquals([w.progress.files, losses, reasons(w)], [2, 3, []]);
});

Deno.test("a lost connection ends the transfer if no further one was lost, or the session is over", async () => {
  for (const how of ["not lost", "over"]) {
    const w = world({ "/from": [["x", FILE]] });
    let opens = 0;
    w.from.source = () => {
      opens++;
      return Promise.reject(lost());
    };
    if (how === "over") {
      w.context.lost = () => opens;
      w.context.over = () => true;
    }
    await assertRejects(w.run, SftpError, "gone");
    assertEquals(opens, 1, how);
  }
});

Deno.test("a refusal of one file is its failure, although a further connection was lost", async () => {
  const w = world({ "/from": [["x", FILE], ["y", FILE]] });
  let opens = 0;
  w.context.lost = () => opens;
  const { source } = w.from;
  w.from.source = (path, info) => {
    opens++;
    const refused = new SftpError(SftpStatus.PERMISSION_DENIED, "open", path, "no");
    return path === "/from/x" ? Promise.reject(refused) : source(path, info);
  };
  await w.run();
  assertEquals([reasons(w), opens, w.progress.files], [["/from/x: no"], 2, 1]);
});

Deno.test("after the session is over, the failure of a file ends the transfer, and is not repeated", async () => {
  for (const status of [SftpStatus.PERMISSION_DENIED, SftpStatus.FAILURE]) {
    const w = world({ "/from": [["x", FILE]] });
    w.context.over = () => true;
    let opens = 0;
    w.from.source = () => {
      opens++;
      return Promise.reject(new SftpError(status, "open", "/from/x", "no"));
    };
    await assertRejects(w.run, SftpError, "no");
    assertEquals([opens, reasons(w)], [1, []]);
  }
});

Deno.test("an abort is not taken for a failure of a file, nor is its file sent again", async () => {
  for (const error of [lost(), new SftpError(SftpStatus.FAILURE, "open", "/from/x", "no")]) {
    const w = world({ "/from": [["x", FILE]] });
    let opens = 0;
    w.context.lost = () => opens;
    w.from.source = () => {
      opens++;
      w.abort.abort(new Error("enough"));
      return Promise.reject(error);
    };
    await assertRejects(w.run, Error, "enough");
    assertEquals([opens, reasons(w)], [1, []]);
  }
});

Deno.test("an unexpected error ends the transfer", async () => {
  const w = world({ "/from": [["x", FILE]] });
  w.from.source = () => Promise.reject(new TypeError("a bug"));
  await assertRejects(w.run, TypeError, "a bug");
});

Deno.test("only an OPEN that failed without a reason is tried again", async () => {
  const cases: [error: SftpError, opens: number][] = [
    [new SftpError(SftpStatus.FAILURE, "open", "/from/x", "no"), 2],
    [new SftpError(SftpStatus.FAILURE, "read", "/from/x", "no"), 1],
    [new SftpError(SftpStatus.PERMISSION_DENIED, "open", "/from/x", "no"), 1],
  ];
  for (const [error, expected] of cases) {
    const w = world({ "/from": [["x", FILE]] });
    let opens = 0;
    w.from.source = () => {
      opens++;
      return Promise.reject(error);
    };
    await w.run();
    assertEquals([opens, reasons(w)], [expected, ["/from/x: no"]]);
  }
});

Deno.test("a source is closed if there is no room for it any more", async () => {
  const w = world({ "/from": [["x", infoOf({ mode: 0o100644, size: 1_000_000 })]] });
  const { source } = w.from;
  w.from.source = async (path, info) => {
    const opened = await source(path, info);
    w.abort.abort(new Error("enough"));
    return opened;
  };
  await assertRejects(w.run, Error, "enough");
  assertEquals([w.open.size, w.requests], [0, []]);
});

Deno.test("a listing of the source that takes too much memory is a failure", async () => {
  const w = world({});
  w.from.list = async function* () {
    yield { name: "x".repeat(1 << 27), info: FILE };
  };
  await w.run();
  assert(reasons(w)[0]!.endsWith("the folder has too many entries"));
});

Deno.test("matches of a pattern are selected like entries of a folder", async () => {
  const asked: string[] = [];
  const w = world({}, {
    exclude: ["no"],
    async filter({ path, isDirectory }) {
      asked.push(`${path}${isDirectory ? "/" : ""}`);
      await turn();
      return path !== "neither";
    },
  });
  await w.some(["no", FILE], ["neither", FILE], ["yes", FILE], ["link", LINK]);
  assertEquals(asked, ["neither", "yes", "link/"]); // a link is that to which it leads
  assertEquals(w.requests.map(({ path }) => path), ["/to/yes"]);
  assertEquals(w.log[0], "mkdir /to null root");
});

Deno.test("matches of a pattern: folders need recursive, and names are used once", async () => {
  const w = world({}, { recursive: false });
  await w.some(["a", FOLDER], ["x", FILE], ["x", FILE], ["..", FILE], ["dead", LINK]);
  assertEquals(w.progress.skipped, ["/from/a", "/from/dead"]);
  assertEquals(w.requests.map(({ path }) => path), ["/to/x"]);
  assertEquals(w.progress.failures.map(({ path }) => path), ["/from/x", "/from/.."]);
});

Deno.test("a match that is no step, or has the name of another, is a failure on its side", async () => {
  for (const [trusted, side] of [[true, "on this machine"], [false, "on the server"]] as const) {
    const w = world({});
    w.from.trusted = trusted;
    await w.some(["..", FOLDER], [".", FOLDER], ["", FOLDER], ["x", FILE], ["x", FILE]);
    assertEquals(w.requests.map(({ path }) => path), ["/to/x"]);
    const text = (name: string, why: string) =>
      `/from/${name}: Cannot transfer "/from/${name}" ${side}: cannot use the name "${name}": ${why}`;
    assertEquals(reasons(w), [
      text("..", "it leads elsewhere"),
      text(".", "it leads elsewhere"),
      text("", "it is empty"),
      text("x", "another match has the same name"),
    ]);
  }
});

Deno.test("folders are nested as deeply below a match of a pattern as below a folder", async () => {
  for (const [below, failures] of [[SFTP_MAX_DEPTH, 0], [SFTP_MAX_DEPTH + 1, 1]]) {
    const tree: Record<string, [string, SftpFileInfo][]> = {};
    let path = "/from";
    for (let depth = 0; depth < below!; depth++, path += "/a") tree[path] = [["a", FOLDER]];
    const [whole, matches] = [world(tree), world(tree)];
    for (const { to } of [whole, matches]) to.makeFolder = () => Promise.resolve();
    await whole.run();
    assertEquals(whole.progress.failures.length, failures);
    await matches.some(["a", FOLDER]);
    assertEquals(matches.progress.failures.length, failures);
  }
});

Deno.test("files that could not be opened are tried again until three in a row fail", async () => {
  const cases: [works: number[], tries: number, failures: number][] = [
    [[], 3, 8],
    [[3, 6], 8, 6],
    [[1, 2, 3, 4, 5, 6, 7, 8], 8, 0],
  ];
  for (const [works, tries, failures] of cases) {
    const names = Array.from({ length: 8 }, (_, at): [string, SftpFileInfo] => [`${at}`, FILE]);
    const w = world({ "/from": names });
    const { source } = w.from;
    const first = new Set<string>();
    let again = 0;
    w.from.source = (path, info) => {
      const isOpened = first.has(path) && works.includes(++again);
      first.add(path);
      const refused = new SftpError(SftpStatus.FAILURE, "open", path, "no");
      return isOpened ? source(path, info) : Promise.reject(refused);
    };
    await w.run();
    assertEquals([again, w.progress.failures.length, w.progress.files], [
      tries,
      failures,
      8 - failures,
    ]);
  }
});

/** Counts the folders that are being listed. */
function counted(w: World): { most: number } {
  const count = { most: 0 };
  let listing = 0;
  const { list } = w.from;
  w.from.list = async function* (path) {
    count.most = Math.max(count.most, ++listing);
    try {
      await turn();
      yield* list(path);
    } finally {
      listing--;
    }
  };
  return count;
}

Deno.test("as many folders are listed in parallel as allowed, and all in the end", async () => {
  const names = Array.from({ length: 100 }, (_, at): [string, SftpFileInfo] => [`${at}`, FOLDER]);
  const w = world({ "/from": names });
  const count = counted(w);
  await w.run();
  assertEquals([count.most, w.log.length], [SFTP_FOLDERS_AT_ONCE, 101]);
});

/** Refuses the first listing of a folder of the source. */
function refuseOnce({ from }: World, refused: string): void {
  const { list } = from;
  let isRefused = false;
  from.list = async function* (path) {
    if (path === refused && !isRefused) {
      isRefused = true;
      throw new SftpError(SftpStatus.FAILURE, "readDir", path, "no");
    }
    yield* list(path);
  };
}

Deno.test("a folder that could not be opened is tried again alone, with all that is below it", async () => {
  const w = world({
    "/from": [["a", FOLDER]],
    "/from/a": [["b", FOLDER], ["c", FOLDER], ["d", FOLDER], ["x", FILE]],
    "/from/a/b": [["y", FILE]],
    "/from/a/d": [["z", FILE]],
  }, { preserve: true });
  refuseOnce(w, "/from/a");
  const count = counted(w);
  await w.run();
  assertEquals([count.most, reasons(w), w.progress.files], [1, [], 3]);
  // Each is finished once.
  const finished = w.log.filter((line) => line.startsWith("finish"));
  assertEquals([finished.length, new Set(finished).size], [5, 5]);
});

Deno.test("a link in a folder that is tried again is made, however long its reading takes", async () => {
  const w = world({ "/from": [["a", FOLDER]], "/from/a": [["l", LINK]] }, { links: "keep" });
  refuseOnce(w, "/from/a");
  w.from.readLink = async () => {
    for (let turns = 0; turns < 5; turns++) await turn();
    return "x";
  };
  await w.run();
  assertEquals([w.log.at(-1), reasons(w)], ['link /to/a/l "x" /to', []]);
});

Deno.test("a folder's content is transferred before later folders, so that few wait", async () => {
  const names = Array.from({ length: 100 }, (_, at): [string, SftpFileInfo] => [`${at}`, FOLDER]);
  const inner = names.map(([name]) => [`/from/${name}`, [["inner", FOLDER]]] as const);
  const w = world({ "/from": names, ...Object.fromEntries(inner) });
  await w.run();
  const before = w.log.findIndex((line) => line.includes("/inner"));
  assert(before <= 1 + 2 * SFTP_FOLDERS_AT_ONCE, `${before} folders are made before`);
  assertEquals(w.log.length, 201);
});

Deno.test("at most as many folders are finished in parallel as files are transferred", async () => {
  const count = 2 * SFTP_FILES_AT_ONCE;
  const names = Array.from({ length: count }, (_, at): [string, SftpFileInfo] => [`${at}`, FOLDER]);
  const w = world({ "/from": names }, { preserve: true });
  let [finishing, most, finished] = [0, 0, 0];
  w.to.makeFolder = () => Promise.resolve();
  w.to.setAttributes = async () => {
    most = Math.max(most, ++finishing);
    await turn();
    finishing--;
    finished++;
  };
  await w.run();
  assertEquals([most, finished], [SFTP_FILES_AT_ONCE, count + 1]);
});

Deno.test("the last folder is awaited, however long its listing takes", async () => {
  const w = world({
    "/from": [["fast", FOLDER], ["slow", FOLDER]],
    "/from/slow": [["x", FILE]],
  });
  const { list } = w.from;
  w.from.list = async function* (path) {
    for (let turns = 0; turns < 20 && path === "/from/slow"; turns++) await turn();
    yield* list(path);
  };
  await w.run();
  assertEquals(w.progress.files, 1);
});

Deno.test("a listing that fails after its first entry is a failure, and is not repeated", async () => {
  const w = world({});
  let lists = 0;
  w.from.list = async function* () {
    lists++;
    yield { name: "x", info: FILE };
    throw new SftpError(SftpStatus.FAILURE, "readDir", "/from", "no");
  };
  await w.run();
  assertEquals([lists, reasons(w), w.progress.files], [1, ["/from: no"], 1]);
});

Deno.test("a transfer ends after its slowest file", async () => {
  const w = world({ "/from": [["x", FILE]] });
  const { target } = w.to;
  w.to.target = async (request) => {
    for (let turns = 0; turns < 20; turns++) await turn();
    return await target(request);
  };
  await w.run();
  assertEquals([w.progress.files, w.open.size], [1, 0]);
});
