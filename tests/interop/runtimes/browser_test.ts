/** The client in a browser, where the bytes go through a relay. */
import { assertEquals, assertMatch } from "@std/assert";
import { tempFolder } from "../../support/temp.ts";
import { openPage } from "../harness/browser.ts";
import { bundle } from "../harness/bundle.ts";
import { control } from "../harness/control.ts";
import { peerTest } from "../harness/peers.ts";
import { startSshd } from "../harness/sshd.ts";
import { startWebPage } from "../harness/web_page.ts";
import { report } from "./table.ts";
import { checkFindings, checkPlatform, IN_MEMORY, loginTo, startEcho } from "./world.ts";

/** The server's first line reaches a page without code of ours. */
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
  "A browser runs commands, moves files and goes through tunnels over a WebSocket, and names what it lacks",
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
