import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { folder, noise, same } from "../../sftp/world.ts";
import { peerTest, requirePeer } from "../harness/peers.ts";

/** OpenSSH's programs with our server through pipes (`sftp -D`, `scp -D`). */
interface Foreign extends AsyncDisposable {
  readonly root: string;
  readonly here: string;
  /** Runs a batch and returns the output. The batch fails if a command without a leading `-` fails. */
  sftp(...lines: string[]): Promise<string>;
  /** Runs scp over SFTP. */
  scp(...args: string[]): Promise<Deno.CommandOutput>;
}

async function foreign(...flags: string[]): Promise<Foreign> {
  const [root, here] = [await folder(), await folder()];
  const script = new URL("./stdio_server.ts", import.meta.url).pathname;
  const config = new URL("../../../deno.json", import.meta.url).pathname;
  const server = `${here.path}/server`;
  const command = [Deno.execPath(), "run", "-A", "--no-check", "-c", config, script, root.path];
  await Deno.writeTextFile(server, `#!/bin/sh\nexec ${[...command, ...flags].join(" ")}\n`);
  await Deno.chmod(server, 0o755);
  return {
    root: root.path,
    here: here.path,
    async sftp(...lines) {
      const sftp = new Deno.Command(await requirePeer("sftp"), {
        args: ["-b", "-", "-D", server],
        cwd: here.path,
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      const writer = sftp.stdin.getWriter();
      await writer.write(new TextEncoder().encode(lines.join("\n") + "\n"));
      await writer.close();
      const { code, stdout, stderr } = await sftp.output();
      const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
      assertEquals(code, 0, text);
      return text.split("\n").filter((line) => !line.startsWith("sftp>")).join("\n");
    },
    async scp(...args) {
      return await new Deno.Command(await requirePeer("scp"), {
        args: ["-s", "-D", server, ...args],
        cwd: here.path,
        stdin: "null",
      }).output();
    },
    async [Symbol.asyncDispose]() {
      await root[Symbol.asyncDispose]();
      await here[Symbol.asyncDispose]();
    },
  };
}

await peerTest(["sftp"], "OpenSSH's sftp gets and puts files through our server", async () => {
  await using f = await foreign();
  const data = noise(5_000_001);
  await Deno.writeFile(`${f.here}/from`, data);
  await f.sftp("put from there", "get there back", "put -p from kept", "get -p kept");
  assert(same(await Deno.readFile(`${f.root}/there`), data));
  assert(same(await Deno.readFile(`${f.here}/back`), data));
  const [from, kept] = [await Deno.stat(`${f.here}/from`), await Deno.stat(`${f.here}/kept`)];
  assertEquals(Math.floor(kept.mtime!.getTime() / 1000), Math.floor(from.mtime!.getTime() / 1000));
  assertEquals(kept.mode, from.mode);
});

await peerTest(
  ["sftp"],
  "OpenSSH's sftp moves folders and resumes transfers through our server",
  async () => {
    await using f = await foreign();
    await Deno.mkdir(`${f.here}/tree/deep`, { recursive: true });
    for (let i = 0; i < 50; i++) {
      await Deno.writeFile(
        `${f.here}/tree/deep/${i}`,
        noise(i * 100, i),
      );
    }
    await f.sftp("put -R tree", "get -R tree copy");
    for (let i = 0; i < 50; i++) {
      assert(same(await Deno.readFile(`${f.here}/copy/deep/${i}`), noise(i * 100, i)));
    }
    const data = noise(2_000_000);
    await Deno.writeFile(`${f.root}/large`, data);
    await Deno.writeFile(`${f.here}/large`, data.subarray(0, 700_000));
    await Deno.writeFile(`${f.root}/half`, data.subarray(0, 300_001));
    await f.sftp("reget large", "reput large half");
    assert(same(await Deno.readFile(`${f.here}/large`), data));
    assert(same(await Deno.readFile(`${f.root}/half`), data));
  },
);

await peerTest(
  ["sftp"],
  "OpenSSH's sftp lists, makes, renames, links and removes on our server",
  async () => {
    await using f = await foreign();
    await Deno.writeTextFile(`${f.here}/file`, "12345");
    const listing = await f.sftp(
      "pwd",
      "mkdir folder",
      "cd folder",
      "pwd",
      "put file",
      "chmod 640 file",
      "symlink file link",
      "ln file second",
      "ls -l",
      "rename file renamed",
      "ls -1",
      "rm link",
      "rm second",
      "cd ..",
      "-rmdir folder",
      "rm folder/renamed",
      "rmdir folder",
      "ls -1",
    );
    assertStringIncludes(listing, "Remote working directory: /\n");
    assertStringIncludes(listing, "Remote working directory: /folder\n");
    assertMatch(listing, /-rw-r-----\s+[1?] \d+\s+\d+\s+5 \w{3} [ \d]\d \d\d:\d\d file\n/);
    assertMatch(listing, /lrwxrwxrwx .* link\n/);
    assertStringIncludes(listing, "link\nrenamed\nsecond\n");
    assertStringIncludes(listing, "Failure");
    assertEquals(await Array.fromAsync(Deno.readDir(f.root)), []);
  },
);

await peerTest(["sftp"], "OpenSSH's sftp makes symbolic links the right way round", async () => {
  await using f = await foreign();
  await f.sftp("symlink the-target the-link");
  assertEquals(await Deno.readLink(`${f.root}/the-link`), "the-target");
});

await peerTest(["sftp"], "OpenSSH's sftp prints the reason of a refusal", async () => {
  await using f = await foreign("--read-only");
  await Deno.writeTextFile(`${f.root}/file`, "x");
  const text = await f.sftp(
    "-get missing",
    "-mkdir folder",
    "-rm file",
    "-put server",
    "-rename file other",
    "-cd /../../etc",
    "get file",
  );
  assertMatch(text, /"\/missing" not found/);
  assertStringIncludes(text, "Permission denied");
  assertEquals(await Deno.readTextFile(`${f.here}/file`), "x");
  assertEquals((await Array.fromAsync(Deno.readDir(f.root))).length, 1);
});

await peerTest(
  ["sftp"],
  "OpenSSH's sftp shows a quota with df, and cannot exceed it",
  async () => {
    await using f = await foreign(`--quota=${1024 * 1000}`);
    await Deno.writeFile(`${f.here}/most`, noise(1024 * 900));
    await Deno.writeFile(`${f.here}/more`, noise(1024 * 101));
    await Deno.writeFile(`${f.here}/rest`, noise(1024 * 100));
    const text = await f.sftp("put most", "df", "-put more", "rm more", "put rest", "df");
    // Size, used, available and root, in blocks of 1024 bytes.
    const rows = text.split("\n").filter((line) => /^[ \d]+%/.test(line));
    assertEquals(rows.map((row) => row.trim().split(/\s+/).slice(0, 4)), [
      ["1000", "900", "100", "100"],
      ["1000", "1000", "0", "0"],
    ]);
    assertMatch(text, /write remote "\/more": Failure/);
    assert(same(await Deno.readFile(`${f.root}/rest`), noise(1024 * 100)));
  },
);

await peerTest(["scp"], "OpenSSH's scp copies files and folders through our server", async () => {
  await using f = await foreign();
  const data = noise(3_000_000);
  await Deno.mkdir(`${f.here}/tree/deep`, { recursive: true });
  await Deno.writeFile(`${f.here}/tree/deep/file`, data);
  for (
    const args of [
      ["tree/deep/file", "host:/file"],
      ["-p", "-r", "tree", "host:/tree"],
      ["host:/file", "back"],
      ["-p", "-r", "host:/tree", "copy"],
    ]
  ) {
    const { code, stderr } = await f.scp(...args);
    assertEquals(code, 0, new TextDecoder().decode(stderr));
  }
  assert(same(await Deno.readFile(`${f.root}/file`), data));
  assert(same(await Deno.readFile(`${f.root}/tree/deep/file`), data));
  assert(same(await Deno.readFile(`${f.here}/back`), data));
  assert(same(await Deno.readFile(`${f.here}/copy/deep/file`), data));
});
