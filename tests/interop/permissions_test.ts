/** The permissions that programs need, and how they import the module. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { peerTest } from "./harness/peers.ts";
import { startSshd } from "./harness/sshd.ts";
import { tempFolder } from "../support/temp.ts";
import { run } from "../support/run.ts";

const ROOT = new URL("../../", import.meta.url);

await peerTest(
  ["sshd"],
  "With explicit options connect needs --allow-net=host:port and nothing else",
  async () => {
    await using server = await startSshd();
    await using folder = await tempFolder();
    const key = await Deno.readTextFile(server.identity);
    const program = `
    import { connect, publicKey } from "@denossh/ssh";
    import { importPrivateKey } from "@denossh/ssh/keys";
    await using host = await connect({
      hostname: "127.0.0.1",
      port: ${server.port},
      user: ${JSON.stringify(server.user)},
      auth: [publicKey(importPrivateKey(${JSON.stringify(key)}))],
      hostKeys: ${JSON.stringify(server.hostKeys.ed25519!.publicKey)},
    });
    console.log(await host.run("echo edge"));
    await using sftp = await host.sftp();
    console.log((await sftp.stat("/")).isDirectory);

    // As Deno Deploy has it: what flows from one stream into another, and no file of its own.
    const path = ${JSON.stringify(folder.join("sent"))};
    await sftp.put(new Response("over a stream").body, path);
    await using file = await sftp.open(path, { read: true });
    await using child = await host.command("tr a-z A-Z", { stdin: "piped" }).spawn();
    const [, text] = await Promise.all([
      file.readable.pipeTo(child.stdin),
      new Response(child.stdout).text(),
    ]);
    console.log(text, (await child.status).code);
    console.log((await Promise.all(["env", "read", "run", "sys", "write"].map(async (name) =>
      (await Deno.permissions.query({ name })).state
    ))).join());
  `;
    // Within the package, so that its name resolves; the flags set the permissions.
    const path = await folder.write("edge.ts", program);
    const { code, text, stderr } = await run(Deno.execPath(), [
      "run",
      "--no-prompt",
      `--config=${new URL("deno.json", ROOT).pathname}`,
      `--allow-net=127.0.0.1:${server.port}`,
      path,
    ]);
    const lines = ["edge", "true", "OVER A STREAM 0", "prompt,prompt,prompt,prompt,prompt"];
    assertEquals([code, text.trim().split("\n")], [0, lines], stderr);
  },
);

await peerTest(
  ["sshd"],
  "A program outside of the repository can import the module",
  async () => {
    await using server = await startSshd();
    await using folder = await tempFolder();
    const std = (name: string) => new URL(`tests/std/${name}/mod.ts`, ROOT).href;
    await folder.write(
      "deno.json",
      JSON.stringify({
        imports: {
          "@denossh/ssh": new URL("mod.ts", ROOT).href,
          // JSR rewrites these at publication: the module's own imports of packages.
          "@std/bytes": std("bytes"),
          "@std/streams": std("streams"),
        },
      }),
    );
    const path = await folder.write(
      "main.ts",
      `
    import { type Client, connect, knownHosts, loadKey, publicKey } from "@denossh/ssh";
    const host: Client = await connect(${
        JSON.stringify(`${server.user}@127.0.0.1:${server.port}`)
      }, {
      auth: [publicKey(await loadKey(${JSON.stringify(server.identity)}))],
      hostKeys: knownHosts(${JSON.stringify(server.knownHosts)}),
    });
    console.log(await host.run("echo consumer"));
    await host.close();
  `,
    );
    const { code, text, stderr } = await run(Deno.execPath(), ["run", "--check", "-A", path], {
      cwd: folder.path,
    });
    assertEquals([code, text.trim()], [0, "consumer"], stderr);
  },
);

Deno.test("A missing permission is Deno's own error, and immediate", async () => {
  await using folder = await tempFolder();
  const path = await folder.write(
    "none.ts",
    `
    import { connect, none } from "@denossh/ssh";
    try {
      await connect("me@127.0.0.1:1", { auth: [none()], hostKeys: () => true });
    } catch (error) {
      console.log(error.name, error.message);
    }
  `,
  );
  const { text } = await run(Deno.execPath(), [
    "run",
    "--no-prompt",
    `--config=${new URL("deno.json", ROOT).pathname}`,
    path,
  ]);
  assertStringIncludes(text, "NotCapable");
  assertStringIncludes(text, "--allow-net");
});

Deno.test("A bare connect names all missing permissions in one error", async () => {
  await using folder = await tempFolder();
  const program = `
    import { connect } from "@denossh/ssh";
    await connect("me@127.0.0.1:1").catch(({ name, message }) => console.log(name, message));
  `;
  const path = await folder.write("bare.ts", program);
  const { text } = await run(Deno.execPath(), [
    "run",
    "--no-prompt",
    `--config=${new URL("deno.json", ROOT).pathname}`,
    path,
  ]);
  const flags = "--allow-env=HOME --allow-read=$HOME/.ssh,/etc/ssh --allow-net=127.0.0.1:1";
  assertStringIncludes(text, `NotCapable connect() needs permissions: run again with ${flags}.`);
});

await peerTest(["sshd"], "host.fetch() needs exactly the documented permissions", async () => {
  await using server = await startSshd();
  await using web = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    () => new Response("from the inside"),
  );
  const key = await Deno.readTextFile(server.identity);
  const program = `
    import { connect, publicKey } from "@denossh/ssh";
    import { importPrivateKey } from "@denossh/ssh/keys";
    await using host = await connect({
      hostname: "127.0.0.1",
      port: ${server.port},
      user: ${JSON.stringify(server.user)},
      auth: [publicKey(importPrivateKey(${JSON.stringify(key)}))],
      hostKeys: ${JSON.stringify(server.hostKeys.ed25519!.publicKey)},
    });
    const socket = host.nodeSocket("127.0.0.1:${web.addr.port}");
    socket.write("GET / HTTP/1.0\\r\\n\\r\\n");
    console.log((await Array.fromAsync(socket)).join("").split("\\r\\n").at(-1));
    try {
      const answer = await host.fetch("http://localhost:${web.addr.port}/");
      console.log(await answer.text());
    } catch (error) {
      console.log(error.message);
    }
  `;
  await using folder = await tempFolder();
  const path = await folder.write("fetch.ts", program);
  const ask = async (net: string, ...flags: string[]) => {
    const config = `--config=${new URL("deno.json", ROOT).pathname}`;
    const args = ["run", "--no-prompt", config, `--allow-net=${net}`, ...flags, path];
    const { text } = await run(Deno.execPath(), args);
    const [inside, fetched] = text.trim().split("\n");
    assertEquals(inside, "from the inside");
    return fetched!;
  };
  const ssh = `127.0.0.1:${server.port}`;
  const env = "--allow-env=NO_PROXY,no_proxy";
  assertStringIncludes(await ask(ssh, env), 'net access to "127.0.0.1:0"');
  assertStringIncludes(await ask("127.0.0.1,localhost"), 'env access to "NO_PROXY"');
  assertStringIncludes(await ask("127.0.0.1", env), 'net access to "localhost:');
  assertEquals(await ask("127.0.0.1,localhost", env), "from the inside");
});

Deno.test("The tool is installed and run by the lines of README.md", async () => {
  await using folder = await tempFolder();
  const readme = await Deno.readTextFile(new URL("README.md", ROOT));
  const here = [new URL("lib/cli/main.ts", ROOT).pathname];
  const config = `--config=${new URL("deno.json", ROOT).pathname}`;
  const lines = [
    ...readme.matchAll(/^deno (run|install) (.*)jsr:@denossh\/ssh\/cli(.*?)(?:#.*)?$/gm),
  ];
  assertEquals(lines.map(([, command]) => command), ["run", "install"]);
  for (const [, command, flags, rest] of lines) {
    // JSR has the published version, so the line is run with this version instead.
    const args = [command!, config, ...words(flags!), ...here];
    if (command === "install") args.splice(1, 0, "--root", folder.path);
    else args.push(...words(rest!).slice(0, 1), "-V");
    const ran = await run(Deno.execPath(), args);
    assertEquals(ran.code, 0, ran.stderr);
  }
  const { text } = await run(folder.join("bin/denossh"), ["--help"]);
  assertStringIncludes(text, "keygen");
});

const words = (text: string) => text.split(" ").filter((word) => word !== "");
