import { assertEquals, assertRejects } from "@std/assert";
import { type Client, ClosedError, fleet, type FleetTransferOptions } from "@denossh/ssh";
import { localFiles } from "@denossh/ssh/server";
import { getter, putter } from "../../lib/fleet/transfers.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import { replaced } from "../support/replaced.ts";
import { fakeEnv } from "../support/fake_env.ts";
import { tempFolder } from "../support/temp.ts";
import { memoryHosts } from "./world.ts";

Deno.test("put and get copy files to and from a folder of each host", async () => {
  await using folder = await tempFolder();
  const hosts = ["web1", "ann@[::1]:22"];
  const root = (host: string) => folder.join(encodeURIComponent(host));
  for (const host of hosts) await Deno.mkdir(root(host));
  const { connect } = memoryHosts({
    serve: (host) => ({ sftp: localFiles({ root: root(host) }) }),
  });
  const both = fleet(hosts, { connect });
  const told = new Set<string>();
  const put = await both.put(new TextEncoder().encode("hello"), "/motd", {
    onProgress: (host) => told.add(host),
  });
  assertEquals(put.results.map((it) => it.success && it.value.bytes), [5, 5]);
  assertEquals(told, new Set(hosts));
  await both.get("/motd", folder.join("copies"));
  const copy = (host: string) => Deno.readTextFile(folder.join(`copies/${host}/motd`));
  assertEquals([await copy("web1"), await copy("ann@%5B%3A%3A1%5D%3A22")], ["hello", "hello"]);
  await both.get("/*", folder.join("all"), { glob: true });
  assertEquals(await Deno.readTextFile(folder.join("all/web1/motd")), "hello");
  await both.get("/motd", (host) => folder.join(`named/${host.length}`));
  assertEquals(await Deno.readTextFile(folder.join("named/4")), "hello");
  const none = await both.get("/none", folder.join("copies"));
  assertEquals(none.failed.map(({ tries }) => tries), [1, 1]); // a permanent refusal
});

Deno.test("put takes blobs and file URLs, get a file URL and ~ for the home directory", async () => {
  await using folder = await tempFolder();
  const root = folder.join("root");
  await Deno.mkdir(root);
  const { connect } = memoryHosts({ serve: () => ({ sftp: localFiles({ root }) }) });
  const one = fleet(["web1"], { connect });
  const url = new URL(`file://${await folder.write("local", "from a file")}`);
  assertEquals((await one.put(new Blob(["from a blob"]), "/blob")).failed, []);
  assertEquals((await one.put(url, "/file")).failed, []);
  assertEquals((await one.get("/blob", new URL(`file://${folder.path}/`))).failed, []);
  assertEquals(await Deno.readTextFile(folder.join("web1/blob")), "from a blob");
  using _home = fakeEnv({ HOME: folder.path });
  assertEquals((await one.get("/file", "~/copies")).failed, []);
  assertEquals((await one.get("/file", () => "~/one")).failed, []);
  for (const name of ["copies/web1/file", "one"]) {
    assertEquals(await Deno.readTextFile(folder.join(name)), "from a file");
  }
});

/** A client whose SFTP records the calls. */
function recorded() {
  const calls: unknown[][] = [];
  const call = (name: string) => (...given: unknown[]) => {
    calls.push([name, ...given]);
    return Promise.resolve({ files: 0, bytes: 0 });
  };
  const client = {
    sftp: (options: unknown) => {
      calls.push(["sftp", options]);
      return Promise.resolve({ put: call("put"), get: call("get") });
    },
  } as unknown as Client;
  return { client, calls };
}

Deno.test("Hosts share the memory of one transfer, with a minimum for each, or have their own", async () => {
  const { signal } = new AbortController();
  const cases: [concurrency: number, given: FleetTransferOptions, inFlight: number][] = [
    [1, {}, 32 * 1024 * 1024],
    [4, {}, 8 * 1024 * 1024],
    [128, {}, 256 * 1024],
    [1_000, {}, 256 * 1024],
    [4, { inFlight: 5 }, 5],
  ];
  for (const [concurrency, given, inFlight] of cases) {
    const { client, calls } = recorded();
    const options = { ...given, recursive: true, idempotent: false };
    const put = putter("/local", "/remote", options, concurrency);
    await put(client, "web1", signal);
    assertEquals(calls, [
      ["sftp", { signal }],
      ["put", "/local", "/remote", { inFlight, recursive: true, signal }],
    ]);
  }
});

Deno.test("The copies of a host are in a folder with its name, which leads nowhere else", async () => {
  await using folder = await tempFolder();
  const { signal } = new AbortController();
  const at = (...names: string[]) => folder.join(names.join("/"));
  const cases: [host: string, remote: string, options: FleetTransferOptions, path: string][] = [
    ["web1", "/etc/motd", {}, at("web1", "motd")],
    ["ann@web1", "motd", {}, at("ann@web1", "motd")],
    ["web1", "/etc/", { recursive: true }, at("web1", "etc")],
    ["web1", "/etc//", { recursive: true }, at("web1", "etc")],
    ["web1", "/", { recursive: true }, at("web1")],
    ["web1", ".", { recursive: true }, at("web1")],
    ["web1", "a/..", { recursive: true }, at("web1")],
    ["web1", "...", {}, at("web1", "...")],
    ["web1", ".a", {}, at("web1", ".a")],
    ["web1", "/*", { glob: true }, at("web1")],
    ["..", "motd", {}, at("%2E%2E", "motd")],
    [".", "motd", {}, at("%2E", "motd")],
    ["../web1", "motd", {}, at("..%2Fweb1", "motd")],
    ["a/b:22", "motd", {}, at("a%2Fb%3A22", "motd")],
  ];
  for (const [host, remote, options, path] of cases) {
    const { client, calls } = recorded();
    await getter(remote, folder.path, options, 1)(client, host, signal);
    assertEquals(calls.map((call) => call.slice(0, 3)), [["sftp", { signal }], [
      "get",
      remote,
      path,
    ]]);
    const parent = options.glob ? path : path.slice(0, path.lastIndexOf("/"));
    assertEquals((await Deno.stat(parent)).isDirectory, true);
  }
});

Deno.test("Progress is reported with the host, and a listener that throws harms nothing", async () => {
  const { signal } = new AbortController();
  const told: unknown[] = [];
  const onProgress = (...given: unknown[]) => {
    told.push(given);
    throw new Error("the log is full");
  };
  for (const given of [{}, { onProgress }]) {
    const { client, calls } = recorded();
    await putter(new Uint8Array(1), "/x", given, 1)(client, "web1", signal);
    const { onProgress: passed } = calls[1]![3] as { onProgress?: (progress: unknown) => void };
    assertEquals(typeof passed, "onProgress" in given ? "function" : "undefined");
    passed?.("half");
  }
  assertEquals(told, [["web1", "half"]]);
});

Deno.test("Transfers are repeated after a lost connection, unless they must not be", async () => {
  for (const idempotent of [undefined, false, true]) {
    for (const direction of ["put", "get"] as const) {
      await using folder = await tempFolder();
      let tries = 0;
      const client = {
        sftp: () => (tries++, Promise.reject(new ClosedError("lost"))),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      } as unknown as Client;
      const one = fleet(["web1"], { connect: () => Promise.resolve(client), retryDelay: 0 });
      const options = idempotent === undefined ? {} : { idempotent };
      const { failed } = direction === "put"
        ? await one.put(new Uint8Array(1), "/x", options)
        : await one.get("/x", folder.path, options);
      assertEquals([tries, failed[0]!.tries], idempotent === false ? [1, 1] : [3, 3], direction);
    }
  }
});

Deno.test("The hosts that share memory are those that work in parallel", async () => {
  for (const [options, share] of [[{}, 1], [{ concurrency: 2 }, 16]] as const) {
    const { client, calls } = recorded();
    Object.assign(client, { [Symbol.asyncDispose]: () => Promise.resolve() });
    const one = fleet(["web1"], { connect: () => Promise.resolve(client), ...options });
    await using folder = await tempFolder();
    await one.put(new Uint8Array(1), "/x");
    await one.get("/x", folder.path);
    const inFlight = calls.filter(([name]) => name !== "sftp")
      .map((call) => (call[3] as { inFlight: number }).inFlight);
    assertEquals(inFlight, [share * 1024 * 1024, share * 1024 * 1024]);
  }
});

Deno.test("A copy is fetched only once its folder exists", async () => {
  const { client, calls } = recorded();
  const error = new Error("no permission");
  using _mkdir = replaced(runtime.files, "mkdir", () => Promise.reject(error));
  const get = getter("/x", "/copies", {}, 1);
  const { signal } = new AbortController();
  assertEquals(await assertRejects(() => get(client, "web1", signal)), error);
  assertEquals(calls, []);
});
