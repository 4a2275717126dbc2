/** The examples for the edge, on the platforms that they are for. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { concat } from "@std/bytes";
import { importPublicKey } from "@denossh/ssh/keys";
import { startExample } from "../support/example.ts";
import { type Damage, startProxy } from "../support/proxy.ts";
import { tempFolder } from "../support/temp.ts";
import { openPage, type Page } from "./harness/browser.ts";
import { bundle } from "./harness/bundle.ts";
import { peerTest } from "./harness/peers.ts";
import { type Sshd, startSshd } from "./harness/sshd.ts";

/** Fills in the form of the page and sends it. */
async function logIn(page: Page, server: Sshd, hostKey: string): Promise<void> {
  const key = await Deno.readTextFile(server.identity);
  await page.evaluate(`{
    const form = document.querySelector("form");
    form.user.value = ${JSON.stringify(server.user)};
    if (!form.hostKey.readOnly) form.hostKey.value = ${JSON.stringify(hostKey)};
    const files = new DataTransfer();
    files.items.add(new File([${JSON.stringify(key)}], "id_ed25519"));
    form.key.files = files.files;
    form.requestSubmit();
  }`);
}

await peerTest(
  ["sshd", "chromium"],
  "The example of a terminal that speaks SSH in the browser runs",
  async () => {
    await using server = await startSshd({ config: { PrintLastLog: "no" } });
    const seen: Uint8Array[] = [];
    const note: Damage = (chunk) => (seen.push(chunk.slice()), [chunk]);
    await using tap = startProxy(server.port, { toServer: note, toClient: note });
    await using folder = await tempFolder();
    const script = await bundle("examples/edge/terminal.ts", folder.join("terminal.js"));
    const target = `127.0.0.1:${tap.port}`;
    await using relay = startExample("edge/relay.ts", [target, script, "0"]);
    const [url] = await relay.waitFor(/http:\/\/127\.0\.0\.1:\d+\//);
    const fingerprint = importPublicKey(server.hostKeys.ed25519!.publicKey).fingerprint();

    const strange = await fetch(new URL("/ssh", url), {
      headers: { origin: "http://evil.example" },
    });
    assertEquals([strange.status, await strange.text()], [403, "Forbidden"]);

    await using page = await openPage(url);
    await page.resize(720, 400);
    await logIn(page, server, `SHA256:${"A".repeat(43)}`);
    await page.shown("output", /^Host key .* changed|it is not the one that was given/);
    await logIn(page, server, fingerprint);
    await page.shown(".xterm-rows", /[#$]$/);
    await page.type("echo $((6 * 7)) in the browser\r");
    await page.shown(".xterm-rows", /^42 in the browser/m);
    assertEquals(await page.evaluate("document.querySelector('form').hidden"), true);
    assertEquals(
      await page.evaluate("JSON.stringify({ ...localStorage })"),
      `{"hostKey":"${fingerprint}"}`,
    );
    await page.type("exit\r");
    await page.shown(".xterm-rows", /The shell has ended/);

    // All that the relay has passed on: the names of versions and algorithms, and then noise.
    const relayed = new TextDecoder("latin1").decode(concat(seen));
    assertMatch(relayed, /^SSH-2\.0-denossh/m);
    assertStringIncludes(relayed, "curve25519-sha256");
    for (const plain of ["in the browser", "ssh-connection", "xterm"]) {
      assertEquals(relayed.includes(plain), false, plain);
    }

    // The page has the pinned key, and no other can be given.
    await page.reload();
    assertEquals(await page.evaluate("document.querySelector('form').hostKey.readOnly"), true);
    assertEquals(await page.evaluate("document.querySelector('form').hostKey.value"), fingerprint);
  },
);
