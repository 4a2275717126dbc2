/** The npm package on Node and Bun, packed and installed as by users. */
import { assertEquals, assertMatch } from "@std/assert";
import { startSshAgent } from "../agent/ssh_agent.ts";
import { tempFolder } from "../../support/temp.ts";
import { keyFile } from "../harness/keys.ts";
import { type InstalledPackage, installPackage } from "../harness/npm_package.ts";
import { runClient } from "../harness/openssh_clients.ts";
import { type Peer, peerTest, requirePeer } from "../harness/peers.ts";
import { Program } from "../../support/program.ts";
import { must, run } from "../../support/run.ts";
import { startSshd } from "../harness/sshd.ts";
import SETTINGS from "../../../deno.json" with { type: "json" };
import type { HostLogin, ServeJob } from "../peers/runtimes/host_program.ts";
import { type Capability, report } from "./table.ts";
import { checkFindings, loginTo, startEcho } from "./world.ts";

const RUNTIMES = ["node22", "node24", "bun"] as const satisfies readonly Peer[];

let installing: Promise<InstalledPackage> | null = null;
Deno.test.afterAll(async () => await (await installing)?.[Symbol.asyncDispose]());

for (const runtime of RUNTIMES) {
  await peerTest(
    ["npm", "sshd", "ssh", "sftp", "ssh-agent", runtime],
    `The npm package works on ${runtime}`,
    async (t) => {
      const installed = await (installing ??= installPackage());
      const path = await requirePeer(runtime);
      const program = await installed.compile("host_program.ts");
      await using folder = await tempFolder();
      await using server = await startSshd();
      await using echo = startEcho();
      const login: HostLogin = { ...await loginTo(server, echo), local: folder.path };

      const perform = async (task: string, job: object = login, env = {}) => {
        const { text } = await must(path, [program, task, JSON.stringify(job)], { env });
        return JSON.parse(text);
      };

      const capabilities: Capability[] = [];
      const shows = async (
        name: string,
        shown: readonly Capability[],
        fn: () => Promise<void>,
      ) => {
        if (await t.step(name, fn)) capabilities.push(...shown);
      };

      await shows("commands and SFTP", ["connect", "exec", "SFTP"], async () => {
        checkFindings(await perform("client"));
      });
      await t.step("import and require() of each entrypoint, without eval", async () => {
        const source =
          `const entrypoints = Object.entries(require("@denossh/ssh/package.json").exports)
  .filter(([, { default: file }]) => file?.endsWith(".js"))
  .map(([name]) => "@denossh/ssh" + name.slice(1));
(async () => {
  for (const name of entrypoints) {
    const [required, imported] = [require(name), await import(name)];
    if (Object.keys(imported).some((key) => required[key] !== imported[key])) throw new Error(name);
  }
  const key = await require("@denossh/ssh/keys").generateKey();
  console.log(entrypoints.length, key.publicKey.type);
})();
`;
        await Deno.writeTextFile(`${program}.cjs`, source);
        // Pages of Electron with a content security policy evaluate no text either.
        const flags = runtime === "bun" ? [] : ["--disallow-code-generation-from-strings"];
        const { text } = await must(path, [...flags, `${program}.cjs`]);
        assertEquals(text, `${Object.keys(SETTINGS.exports).length} ssh-ed25519\n`);
        assertEquals(installed.files.filter((file) => file.endsWith(".node")), []);
      });
      await shows("files of this machine", ["files"], async () => {
        const { hashes, listed } = await perform("files");
        assertEquals(new Set(hashes).size, 1);
        assertEquals(listed, ["a", "b"]);
      });
      await shows("tunnels", ["tunnels"], async () => {
        assertEquals(await perform("tunnels"), [
          "over a port",
          "over a socket",
          "from the server",
          "over a Node socket",
        ]);
      });
      await t.step("ports and sockets that cannot be listened on", async () => {
        assertEquals(await perform("taken"), [
          "AddrInUse",
          "AddrNotAvailable",
          "AddrInUse",
          "AddrInUse",
          "AddrInUse",
        ]);
      });
      await shows("agents", ["agent"], async () => {
        await using agent = await startSshAgent();
        await agent.add(server.identity);
        const found = await perform("agents", login, { SSH_AUTH_SOCK: agent.path });
        assertEquals(found, { held: 1, output: "by agent", lent: 1 });
      });
      await t.step("agents by their pipes, on what passes for Windows", async () => {
        await using agent = await startSshAgent();
        await agent.add(server.identity);
        const pageant = `pageant.ann.${"0123456789abcdef".repeat(4)}`;
        // Here, the path of a pipe is the name of a file in the current folder.
        for (const name of ["openssh-ssh-agent", pageant]) {
          await Deno.symlink(agent.path, folder.join(`\\\\.\\pipe\\${name}`));
        }
        const source = `import fs from "node:fs";
Object.defineProperty(process, "platform", { value: "win32" });
fs.readdirSync = () => JSON.parse(process.argv[2]);
const { connectAgent } = await import("@denossh/ssh");
const agent = await connectAgent().catch(({ message }) => message);
console.log(typeof agent === "string" ? agent : (await agent.identities()).length);
agent.close?.();
`;
        await Deno.writeTextFile(`${program}.mjs`, source);
        const held = async (pipes: readonly string[]) => {
          const options = { cwd: folder.path, env: { SSH_AUTH_SOCK: "", USERNAME: "Ann" } };
          return (await must(path, [`${program}.mjs`, JSON.stringify(pipes)], options)).text.trim();
        };
        assertEquals(await held(["openssh-ssh-agent", pageant]), "1");
        assertEquals(await held([pageant]), "1");
        assertMatch(await held(["lsass"]), /neither OpenSSH's agent nor Pageant/);
      });
      await shows("the user's files", ["config"], async () => {
        await Deno.mkdir(folder.join(".ssh"));
        const { hostname, port, user, identity, knownHosts } = server;
        await folder.write(
          ".ssh/config",
          `Host alias proxied
  HostName ${hostname}
  Port ${port}
  User ${user}
  IdentityFile ${identity}
  UserKnownHostsFile ${knownHosts}
Host proxied
  ProxyCommand ${path} -e 'const s = require("net").connect(${port}, "${hostname}"); process.stdin.pipe(s).pipe(process.stdout)'
`,
        );
        const env = { HOME: folder.path, SSH_AUTH_SOCK: "" };
        assertEquals(await perform("config", {}, env), {
          output: "by config",
          proxied: "by proxy",
        });
      });
      await shows("a server for OpenSSH's clients", ["server"], async () => {
        const { publicKey, path: identity } = await keyFile("ed25519", "user");
        const job: ServeJob = { authorized: `${publicKey}\n`, root: folder.path };
        await using served = new Program(path, { args: [program, "server", JSON.stringify(job)] });
        const [, port] = await served.waitFor(/"port":(\d+)/);
        const endpoint = { hostname: "127.0.0.1", port: Number(port), user: "me", identity };
        const command = "cat; echo done >&2; exit 3";
        const ran = await runClient("ssh", endpoint, [command], { stdin: "to the server" });
        assertEquals([ran.code, ran.text], [3, "to the server"]);
        assertMatch(ran.stderr, /done/);
        await folder.write("local", "x".repeat(100_000));
        const moved = await runClient("sftp", endpoint, [
          `put ${folder.join("local")} /sent`,
          `get /sent ${folder.join("back")}`,
        ]);
        assertEquals(moved.code, 0, moved.stderr);
        assertEquals((await Deno.stat(folder.join("back"))).size, 100_000);
        served.kill("SIGTERM");
        assertEquals((await served.status).code, 0, served.log);
        assertMatch(served.log, /shut down/);
      });
      await shows("the command line", [], async () => {
        const flags = ["-F", folder.join(".ssh/config"), "alias"];
        const ran = await run(path, [installed.tool, "ssh", ...flags, "cat; exit 4"], {
          stdin: "typed",
          env: { HOME: folder.path },
        });
        assertEquals([ran.code, ran.text, ran.stderr], [4, "typed", ""]);
      });
      const version = (await must(path, ["--version"])).text.trim();
      report({ runtime: runtime === "bun" ? "Bun" : "Node", version, capabilities });
    },
  );
}
