/** The client in a browser, through a relay. */
import { assertEquals, assertMatch } from "@std/assert";
import { tempFolder } from "../../support/temp.ts";
import { must } from "../../support/run.ts";
import { Program } from "../../support/program.ts";
import { openPage } from "../harness/browser.ts";
import { bundle } from "../harness/bundle.ts";
import { control } from "../harness/control.ts";
import { installPackage } from "../harness/npm_package.ts";
import { peerTest } from "../harness/peers.ts";
import { startSshd } from "../harness/sshd.ts";
import { startWebPage } from "../harness/web_page.ts";
import { report } from "./table.ts";
import { checkFindings, checkPlatform, IN_MEMORY, loginTo, startEcho } from "./world.ts";

/** Control: the server's first line reaches a page without our code. */
const relays = () =>
  control("chromium", "a WebSocket that is relayed to a TCP server", async () => {
    await using server = await startSshd();
    await using folder = await tempFolder();
    await using web = startWebPage(await folder.write("empty.js", ""), server.port);
    await using page = await openPage(web.url);
    const line = await page.evaluate<string>(`new Promise((resolve, reject) => {
      const socket = new WebSocket("${web.relay}");
      socket.onmessage = async ({ data }) => resolve(await data.text());
      socket.onerror = reject;
    })`);
    assertMatch(line, /^SSH-2\.0-OpenSSH/);
  });

await peerTest(
  ["sshd", "chromium"],
  "A browser runs commands, moves files and uses tunnels over a WebSocket, and errors name missing features",
  async () => {
    await using server = await startSshd();
    await using echo = startEcho();
    await using folder = await tempFolder();
    const script = await bundle("tests/interop/peers/runtimes/browser.ts", folder.join("page.js"));
    await using web = startWebPage(script, server.port);
    await using page = await openPage(web.url);
    const login = await loginTo(server, echo);
    const steps = (name: string) => `${name}(${JSON.stringify(login)}, "${web.relay}")`;
    checkFindings(await page.evaluate(steps("client")));
    const refused = /^ConnectError: .*Sockets are not available on this runtime: connect over/;
    checkPlatform(await page.evaluate(steps("platform")), "this runtime", refused);
    assertEquals(await page.evaluate("typeof process + typeof Deno"), "undefinedundefined");
    const version = await page.evaluate<string>("/Chrome\\/[\\d.]+/.exec(navigator.userAgent)[0]");
    report({ runtime: "browsers", version, capabilities: IN_MEMORY });
  },
  relays,
);

await peerTest(
  ["npm", "sshd", "chromium", "openssl"],
  "A browser runs the npm package over a stream of WebTransport",
  async () => {
    await using server = await startSshd();
    await using echo = startEcho();
    await using folder = await tempFolder();
    await using installed = await installPackage();
    await installed.compile("browser.ts");
    await installed.bundle("browser.js", "browser", folder.join("page.js"));
    const [key, certificate] = [folder.join("key.pem"), folder.join("certificate.pem")];
    // A browser that is given the hash of a certificate wants one of ECDSA for two weeks at most.
    const flags = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "10"];
    const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
    await must("openssl", [
      "req",
      "-x509",
      ...flags,
      ...names,
      "-keyout",
      key,
      "-out",
      certificate,
    ]);
    const { stdout } = await must("openssl", ["x509", "-in", certificate, "-outform", "DER"]);
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", stdout.slice()));
    const source = new URL("../peers/runtimes/web_transport_relay.ts", import.meta.url).pathname;
    await using relay = new Program(Deno.execPath(), {
      args: ["run", "-A", "--unstable-net", source, certificate, key, `${server.port}`],
    });
    const [, port] = await relay.waitFor(/"port":(\d+)/);
    await using web = startWebPage(folder.join("page.js"), server.port);
    await using page = await openPage(web.url);
    const login = JSON.stringify(await loginTo(server, echo));
    const url = `https://127.0.0.1:${port}/ssh`;
    checkFindings(await page.evaluate(`overWebTransport(${login}, "${url}", [${[...hash]}])`));
  },
);
