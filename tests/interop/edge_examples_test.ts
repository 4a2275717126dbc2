/** The edge examples on their platforms. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { concat } from "@std/bytes";
import { importPublicKey } from "@denossh/ssh/keys";
import { exampleCommand, startExample } from "../support/example.ts";
import { must, run } from "../support/run.ts";
import { type Damage, startProxy } from "../support/proxy.ts";
import { tempFolder } from "../support/temp.ts";
import { openPage, type Page } from "./harness/browser.ts";
import { bundle } from "./harness/bundle.ts";
import { peerTest } from "./harness/peers.ts";
import { type Sshd, startSshd } from "./harness/sshd.ts";
import { startWorker } from "./harness/workerd.ts";

function fingerprintOf(server: Sshd): string {
  return importPublicKey(server.hostKeys.ed25519!.publicKey).fingerprint();
}

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
  ["sshd", "workerd"],
  "The example of a CSV file as JSON runs in a worker",
  async () => {
    await using server = await startSshd();
    await using folder = await tempFolder();
    await folder.write("people.csv", 'name,note\r\nann,"a, ""b""\r\nc"\r\nbob,\r\n');
    await bundle("examples/edge/csv_worker.ts", folder.join("worker.js"));
    const env = {
      SSH_TARGET: `${server.user}@127.0.0.1:${server.port}`,
      SSH_HOST_KEY: fingerprintOf(server),
      SSH_KEY: await Deno.readTextFile(server.identity),
      CSV_PATH: folder.join("people.csv"),
    };
    const ask = async (variables: Partial<typeof env> = {}) => {
      await using worker = await startWorker(folder, "worker.js", {
        env: { ...env, ...variables },
      });
      const response = await fetch(worker.url);
      const text = await response.text();
      if (response.status === 500) throw new Error(`${text}\n${worker.log}`);
      return [response.status, JSON.parse(text)];
    };
    assertEquals(await ask(), [200, [{ name: "ann", note: 'a, "b"\r\nc' }, {
      name: "bob",
      note: "",
    }]]);
    assertEquals(await ask({ CSV_PATH: "/none.csv" }), [404, { error: "sftp" }]);
    const other = { SSH_HOST_KEY: `SHA256:${"A".repeat(43)}` };
    assertEquals(await ask(other), [502, { error: "host-key" }]);
  },
);

await peerTest(["sshd"], "The example of a scheduled deployment runs", async () => {
  await using server = await startSshd();
  await using folder = await tempFolder();
  await Deno.mkdir(folder.join("build"));
  let version = 0;
  await using builds = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async () => {
    await folder.write("build/index.html", `version ${version}`);
    const { stdout } = await must("tar", ["-czf", "-", "-C", folder.join("build"), "."]);
    return new Response(stdout.slice(), { headers: { etag: `"v${version}"` } });
  });
  const env = {
    BUILD_URL: `http://127.0.0.1:${builds.addr.port}/build.tar.gz`,
    SITE: folder.join("site"),
    SSH_TARGET: `${server.user}@127.0.0.1:${server.port}`,
    SSH_HOST_KEY: fingerprintOf(server),
    SSH_KEY: await Deno.readTextFile(server.identity),
  };
  // Its time comes at once.
  const fake = await folder.write(
    "cron.ts",
    "Object.defineProperty(Deno, 'cron', { value: (_name, _schedule, handler) => handler() });",
  );
  const deploy = async () => {
    const [subcommand, ...flags] = exampleCommand("edge/cron_deploy.ts", [], env);
    const ran = await run(Deno.execPath(), [subcommand!, `--preload=${fake}`, ...flags], { env });
    assertEquals(ran.code, 0, ran.stderr);
    return ran.text;
  };
  for (version = 1; version <= 2; version++) {
    assertEquals(await deploy(), `releases/_v${version}_ is the current release\n`);
    assertEquals(await deploy(), `releases/_v${version}_ is already deployed\n`);
    const page = folder.join("site/current/index.html");
    assertEquals(await Deno.readTextFile(page), `version ${version}`);
  }
  const releases = Array.from(
    Deno.readDirSync(folder.join("site/releases")),
    ({ name }) => name,
  );
  assertEquals(releases.sort(), ["_v1_", "_v2_"]);
});

await peerTest(
  ["sshd", "chromium"],
  "The example of a terminal that speaks SSH in the browser runs",
  async () => {
    await using server = await startSshd({ config: { PrintLastLog: "no" } });
    const seen: Uint8Array[] = [];
    const note: Damage = (chunk) => (seen.push(chunk.slice()), [chunk]);
    await using tap = startProxy(server.port, { toServer: note, toClient: note });
    await using folder = await tempFolder();
    const script = await bundle("examples/edge/terminal.js", folder.join("terminal.js"));
    const target = `127.0.0.1:${tap.port}`;
    await using relay = startExample("edge/relay.ts", [target, script, "0"]);
    const [url] = await relay.waitFor(/http:\/\/127\.0\.0\.1:\d+\//);
    const fingerprint = fingerprintOf(server);

    const strange = await fetch(new URL("/ssh", url), {
      headers: { origin: "http://evil.example" },
    });
    assertEquals([strange.status, await strange.text()], [403, "Forbidden"]);

    const html = new URL("../../examples/" + "edge/terminal.html", import.meta.url);
    assertEquals(await (await fetch(url!)).text(), await Deno.readTextFile(html));

    await using page = await openPage(url);
    await page.resize(720, 400);
    await logIn(page, server, `SHA256:${"A".repeat(43)}`);
    await page.shown("output", /^Host key .* changed|it differs from the given one/);
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
