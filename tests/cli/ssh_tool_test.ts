/** `ssh` without a connection, its logs, and the background mode. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parseCommandLine } from "../../lib/cli/ssh/command_line.ts";
import { control } from "../../lib/cli/ssh/control.ts";
import { startControlMaster } from "../../lib/cli/ssh/control_master.ts";
import { ssh } from "../../lib/cli/ssh/ssh.ts";
import { Log } from "../../lib/cli/shared/log.ts";
import { type SshOptions, sshOptions } from "../../lib/cli/shared/ssh_options.ts";
import { ControlSocket } from "../../lib/login/control_socket.ts";
import { tempFolder } from "../support/temp.ts";
import { captured } from "./captured.ts";
import { cliSsh, startServe } from "./world.ts";

for (
  const [query, some] of [
    ["cipher", ["aes128-ctr", "chacha20-poly1305@openssh.com"]],
    ["Ciphers", ["aes128-ctr"]],
    ["cipher-auth", ["aes256-gcm@openssh.com"]],
    ["mac", ["hmac-sha2-256"]],
    ["kex", ["curve25519-sha256"]],
    ["KexAlgorithms", ["curve25519-sha256"]],
    ["key", ["ssh-ed25519", "ssh-rsa", "ssh-ed25519-cert-v01@openssh.com"]],
    ["key-plain", ["ssh-rsa", "ecdsa-sha2-nistp521"]],
    ["key-cert", ["ssh-rsa-cert-v01@openssh.com"]],
    ["sig", ["rsa-sha2-512"]],
    ["HostKeyAlgorithms", ["rsa-sha2-512-cert-v01@openssh.com"]],
    ["compression", ["none"]],
    ["protocol-version", ["2"]],
    ["help", ["cipher", "kex"]],
  ] as const
) {
  Deno.test(`ssh -Q ${query} lists names, one a line`, async () => {
    const { code, text, stderr } = await captured(ssh, ["-Q", query]);
    const lines = text.split("\n").slice(0, -1);
    assertEquals([code, stderr, new Set(lines).size], [0, "", lines.length]);
    for (const name of some) assert(lines.includes(name), text);
  });
}

Deno.test("ssh -Q lists no certificates among plain keys, and no ciphers that need a MAC as such", async () => {
  const { text } = await captured(ssh, ["-Q", "key-plain"]);
  assertEquals(/cert|rsa-sha2/.test(text), false);
  assertEquals((await captured(ssh, ["-Q", "cipher-auth"])).text.includes("aes128-ctr"), false);
});

Deno.test("ssh -Q refuses queries that it does not know", async () => {
  for (const query of ["nonsense", "toString"]) {
    const { code, stderr } = await captured(ssh, ["-Q", query]);
    assertEquals([code, stderr], [255, `ssh: Unsupported query "${query}"\n`]);
  }
});

Deno.test("ssh -V prints its version on standard error, and does nothing else", async () => {
  const { code, text, stderr } = await captured(ssh, ["-V", "db1"]);
  assertEquals([code, text], [0, ""]);
  assertMatch(stderr, /^denossh_\d+\.\d+\.\d+\n$/);
});

Deno.test("ssh -E appends its log to a file", async () => {
  await using folder = await tempFolder();
  const file = await folder.write("log", "before\n");
  const ran = await captured(ssh, ["-E", file, "-F", "none", "-o", "Bogus=1", "db1"]);
  assertEquals([ran.code, ran.stderr], [255, ""]);
  assertMatch(await Deno.readTextFile(file), /^before\nssh: .*Bad configuration option: bogus/);
  const missing = await captured(ssh, ["-E", folder.join("no/log"), "-F", "none", "db1"]);
  assertEquals(missing.code, 255);
  assertStringIncludes(missing.stderr, "Couldn't open logfile");
});

Deno.test("ssh -E redirects the log, but not banners", async () => {
  await using folder = await tempFolder();
  const banner = await folder.write("banner", "Authorized use only\n");
  await using server = await startServe(["--exec", "-o", `Banner=${banner}`]);
  const log = folder.join("log");
  const flags = ["-E", log];
  const ran = await cliSsh(server, ["exit 3"], { flags, config: { LogLevel: "DEBUG" } });
  assertEquals([ran.code, ran.stderr], [3, "Authorized use only\n"]);
  const text = await Deno.readTextFile(log);
  assertStringIncludes(text, "debug1: SSH2_MSG_NEWKEYS sent\n");
  assertStringIncludes(text, "debug1: Authenticated to 127.0.0.1");
});

Deno.test("Every line of a debugging message has the prefix", () => {
  const lines: string[] = [];
  const file = {
    writeSync(bytes: Uint8Array) {
      lines.push(new TextDecoder().decode(bytes));
      return bytes.length;
    },
  };
  const log = new Log("verbose", file);
  log.verbose("Error: x\n    at y");
  log.trace("not at this level");
  log.info("plain");
  assertEquals(lines, ["debug1: Error: x\ndebug1:     at y\n", "plain\n"]);
});

Deno.test("ssh -M means ControlMaster yes, and -MM means ask", () => {
  for (const [flags, value] of [[["-M"], "yes"], [["-M", "-M"], "ask"]] as const) {
    const { said } = parseCommandLine([...flags, "-S", "/s", "db1"]);
    assertEquals(said.find(({ name }) => name === "ControlMaster")?.value, value);
  }
});

/** The options of a master at a path. */
async function masterOptions(path: string, how: string): Promise<SshOptions> {
  return await sshOptions([
    { name: "ControlMaster", value: how },
    { name: "ControlPath", value: path },
  ]);
}

Deno.test("A control master answers check, stop and exit", async () => {
  await using folder = await tempFolder();
  const options = await masterOptions(folder.join("ctl"), "yes");
  const told = Promise.withResolvers<void>();
  const log = new Log("quiet");
  using master = startControlMaster(options, { exit: told.resolve, log });
  assert(master !== null);
  assertEquals((await Deno.stat(folder.join("ctl"))).mode! & 0o777, 0o600);
  using socket = await ControlSocket.open(folder.join("ctl"));
  assertEquals(await socket.check(), Deno.pid);
  using another = startControlMaster(options, { exit: () => {}, log });
  assertEquals(another, null);
  await control("exit", options, log);
  await told.promise;
  await control("stop", options, log);
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

Deno.test("A control master refuses to share sessions, and keeps running", async () => {
  await using folder = await tempFolder();
  const path = folder.join("ctl");
  const log = new Log("quiet");
  using _master = startControlMaster(await masterOptions(path, "ask"), {
    exit: () => {},
    log,
  });
  using socket = await ControlSocket.open(path);
  const refused = await socket.proxy().then(() => "", (error) => error.message);
  assertStringIncludes(refused, "this master does not share sessions");
  using again = await ControlSocket.open(path);
  assertEquals(await again.check(), Deno.pid);
});

Deno.test("ControlMaster auto leaves the socket to a master that shares sessions", async () => {
  await using folder = await tempFolder();
  const parts = { exit: () => {}, log: new Log("quiet") };
  for (const how of ["auto", "autoask", "no"]) {
    assertEquals(startControlMaster(await masterOptions(folder.join("ctl"), how), parts), null);
  }
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

Deno.test("Without ControlMaster or ControlPath there is no master", async () => {
  const parts = { exit: () => {}, log: new Log("quiet") };
  assertEquals(startControlMaster(await masterOptions("none", "yes"), parts), null);
  assertEquals(startControlMaster(await sshOptions([]), parts), null);
});

Deno.test("ssh -f goes to the background after the login, and its command keeps running", async () => {
  await using server = await startServe();
  const ran = await cliSsh(server, ["echo in; read x; echo out"], { flags: ["-f"] });
  assertEquals([ran.code, ran.text], [0, "in\nout\n"], ran.stderr);
  const refused = await cliSsh({ ...server, user: "eve", identity: undefined }, ["echo in"], {
    flags: ["-f"],
  });
  assertEquals([refused.code, refused.text], [255, ""]);
  assertStringIncludes(refused.stderr, "Permission denied");
});

Deno.test("ssh -fNM leaves a master running, without the standard streams, until ssh -O exit", async () => {
  await using folder = await tempFolder();
  await using server = await startServe();
  const path = folder.join("ctl");
  const flags = ["-S", path];
  const started = await cliSsh(server, [], { flags: [...flags, "-fNM"] });
  assertEquals([started.code, started.text, started.stderr], [0, "", ""]);
  const ask = async (what: "check" | "exit") => {
    const config = { LogLevel: what === "check" ? "QUIET" : "INFO" };
    const { stderr } = await cliSsh(server, [], { flags: [...flags, "-O", what], config });
    return stderr;
  };
  assertMatch(await ask("check"), /^Master running \(pid=\d+\)\n$/);
  assertEquals(await ask("exit"), "Exit request sent.\n");
});

Deno.test("ssh -f needs a command", async () => {
  const { code, stderr } = await captured(ssh, ["-f", "-F", "none", "db1"]);
  assertEquals([code, stderr], [
    255,
    "ssh: Cannot fork into background without a command to execute.\n",
  ]);
});
