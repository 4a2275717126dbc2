/** The client on Cloudflare's platform, in its own runtime. */
import { assertEquals, assertMatch } from "@std/assert";
import { must } from "../../support/run.ts";
import { tempFolder } from "../../support/temp.ts";
import { bundle } from "../harness/bundle.ts";
import { control } from "../harness/control.ts";
import { installPackage } from "../harness/npm_package.ts";
import { peerTest, requirePeer } from "../harness/peers.ts";
import { startSshd } from "../harness/sshd.ts";
import { startWorker } from "../harness/workerd.ts";
import { report } from "./table.ts";
import { checkFindings, checkPlatform, IN_MEMORY, loginTo, startEcho } from "./world.ts";

/** Control: the server's first line reaches a worker without our code. */
const connects = () =>
  control("workerd", "a connection over TCP to a server on loopback", async () => {
    await using server = await startSshd();
    await using folder = await tempFolder();
    await folder.write(
      "plain.js",
      `import { connect } from "cloudflare:sockets";
export default {
  async fetch() {
    const socket = connect("127.0.0.1:${server.port}");
    const { value } = await socket.readable.getReader().read();
    return new Response(value);
  },
};`,
    );
    await using worker = await startWorker(folder, "plain.js");
    assertMatch(await (await fetch(worker.url)).text(), /^SSH-2\.0-OpenSSH/);
  });

await peerTest(
  ["sshd", "workerd"],
  "A worker runs commands, moves files and uses tunnels, and errors name missing features",
  async () => {
    await using folder = await tempFolder();
    await using server = await startSshd();
    await using echo = startEcho();
    await bundle("tests/interop/peers/runtimes/worker.ts", folder.join("worker.js"));
    await using worker = await startWorker(folder, "worker.js");
    const body = JSON.stringify(await loginTo(server, echo));
    const steps = async (name: string) => {
      const response = await fetch(new URL(name, worker.url), { method: "POST", body });
      const text = await response.text();
      assertEquals(response.status, 200, `${text}\n${worker.log}`);
      return JSON.parse(text);
    };
    checkFindings(await steps("client"));
    const refused = /^ConnectError: Cannot connect to 127\.0\.0\.1 port 1: /;
    checkPlatform(await steps("platform"), "Cloudflare Workers", refused);
    const version = (await must(await requirePeer("workerd"), ["--version"])).text.trim();
    report({ runtime: "Cloudflare Workers", version, capabilities: IN_MEMORY });
  },
  connects,
);

await peerTest(
  ["npm", "sshd", "workerd"],
  "A worker that may not compile bytes runs the npm package with the core as a module",
  async () => {
    await using installed = await installPackage();
    await installed.compile("worker.ts");
    await Deno.writeTextFile(
      `${installed.folder}/entry.js`,
      `import core from "@denossh/ssh/core.wasm";
import worker from "./worker.js";
export default {
  async fetch(request) {
    if (new URL(request.url).pathname === "/give") {
      Reflect.set(globalThis, Symbol.for("@denossh/ssh wasm module"), core);
      return new Response("given");
    }
    return await worker.fetch(request).catch((error) => new Response(String(error)));
  },
};
`,
    );
    await using folder = await tempFolder();
    await using server = await startSshd();
    await using echo = startEcho();
    await installed.bundle("entry.js", "workerd", folder.join("worker.js"));
    const core = await Deno.readFile(
      `${installed.folder}/node_modules/@denossh/ssh/dist/core.wasm`,
    );
    await using worker = await startWorker(folder, "worker.js", {
      compatibilityDate: "2025-05-01",
      wasm: { "@denossh/ssh/core.wasm": core },
    });
    const body = JSON.stringify(await loginTo(server, echo));
    const ask = async (path: string) =>
      await (await fetch(new URL(path, worker.url), { method: "POST", body })).text();
    assertMatch(
      await ask("client"),
      /forbids compiling WebAssembly from bytes: provide the module/,
    );
    assertEquals(await ask("give"), "given");
    checkFindings(JSON.parse(await ask("client")));
  },
  connects,
);
