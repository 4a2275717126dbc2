import { assertEquals } from "@std/assert";
import { fleet } from "@denossh/ssh";
import { localFiles } from "@denossh/ssh/server";
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
