/**
 * The example of a terminal in the browser, in a real browser.
 * DENOSSH_SCREENSHOT=docs/web_terminal.png updates the picture of the documentation.
 */
import { assert, assertEquals } from "@std/assert";
import { homeFor, startExample } from "../support/example.ts";
import { openPage, type Page } from "./harness/browser.ts";
import { peerTest } from "./harness/peers.ts";
import { startSshd } from "./harness/sshd.ts";

/** Waits until the terminal shows a match of a pattern. */
const shown = (page: Page, pattern: RegExp) => page.shown(".xterm-rows", pattern);

await peerTest(["sshd", "chromium"], "The example of a terminal in the browser runs", async () => {
  await using server = await startSshd({ config: { PrintLastLog: "no" } });
  await using world = await homeFor(server);
  await using example = startExample("web_terminal.ts", [world.target, "0"], world.env);
  const [url] = await example.waitFor(/http:\/\/127\.0\.0\.1:\d+\/\?secret=\S+/);

  const strange = await fetch(new URL("/?secret=guess", url));
  assertEquals([strange.status, await strange.text()], [403, "Forbidden"]);
  const file = new URL("web_terminal.html", new URL("../../examples/", import.meta.url));
  assertEquals(await (await fetch(url!)).text(), await Deno.readTextFile(file));

  await using page = await openPage(url);
  await page.resize(720, 400);
  await shown(page, /[#$]$/);
  await page.type("exec env PS1='$ ' sh -c 'clear; exec sh'\r");
  await shown(page, /^\$$/);
  await page.type("echo $((6 * 7)) in the browser\r");
  await shown(page, /^42 in the browser/m);
  await page.type("printf '\\033[1;32mgreen\\033[0m ünïcode\\n'; stty size\r");
  await shown(page, /^green ünïcode/m);
  const size = "document.querySelectorAll('.xterm-rows > div').length";
  const rows = await page.evaluate<number>(size);
  await shown(page, new RegExp(`^${rows} \\d+`, "m"));
  const picture = await page.screenshot();
  assertEquals(new TextDecoder("latin1").decode(picture.subarray(1, 4)), "PNG");
  const path = Deno.env.get("DENOSSH_SCREENSHOT");
  if (path) await Deno.writeFile(path, picture);

  await page.resize(900, 600);
  await page.evaluate(`new Promise((resolve) => {
    const look = () => ${size} > ${rows} ? resolve(true) : requestAnimationFrame(look);
    look();
  })`);
  const more = await page.evaluate<number>(size);
  assert(more > rows);
  await page.type(`clear; until stty size | grep '^${more} '; do sleep 0.05; done; exit\r`);
  await shown(page, new RegExp(`^${more} \\d+`, "m"));
  await shown(page, /The shell has ended/);
});
