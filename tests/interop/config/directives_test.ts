/** Directives about tunnels, terminals, input and trust work as in `ssh`. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type AuthError, HostKeyError } from "../../../mod.ts";
import { cli, startCli } from "../../cli/world.ts";
import { authority, certifiedKey } from "../harness/certificates.ts";
import { both, type ConfigWorld, world } from "./world.ts";
import { freePort } from "../../support/free_port.ts";
import { keyFile } from "../harness/keys.ts";
import { peerTest } from "../harness/peers.ts";
import { type Ran, run } from "../../support/run.ts";
import { tempFolder } from "../../support/temp.ts";
import { startXServer } from "../harness/x_server.ts";

/** The output of `ssh` and our `ssh` with the same file. */
async function beside(
  place: ConfigWorld,
  args: readonly string[],
  options: { stdin?: string; env?: Record<string, string> } = {},
): Promise<[theirs: Ran, ours: Ran]> {
  return [
    await run("ssh", ["-F", place.file, ...args], options),
    await cli(["ssh", "-F", place.file, ...args], options),
  ];
}

/** The first bytes from a server at a port, optionally through SOCKS. */
async function greeting(port: number, asked: Uint8Array = new Uint8Array(0)): Promise<string> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(asked);
  const bytes = new Uint8Array(256);
  let text = "";
  for (let n; !text.includes("SSH-2.0-") && (n = await conn.read(bytes)) !== null;) {
    text += new TextDecoder().decode(bytes.subarray(0, n));
  }
  return text;
}

await peerTest(["sshd"], "RemoteForward and DynamicForward make tunnels", async () => {
  const [remote, dynamic] = [freePort(), freePort()];
  await using place = await world((server) => `
    Host tunnels
      RemoteForward 127.0.0.1:${remote} 127.0.0.1:${server.port}
      DynamicForward 127.0.0.1:${dynamic}
      SessionType none
      ExitOnForwardFailure yes
      LogLevel VERBOSE
  `);
  await using ssh = startCli(["ssh", "-F", place.file, "tunnels"]);
  for (const kind of ["remote", "socks"]) await ssh.waitFor(new RegExp(`${kind} forwarding from`));
  assertStringIncludes(await greeting(remote), "SSH-2.0-OpenSSH");
  // SOCKS 4: connect to the server's own port, with an empty user name.
  const { port } = place.server;
  const wish = Uint8Array.from([4, 1, port >> 8, port & 255, 127, 0, 0, 1, 0]);
  assertStringIncludes(await greeting(dynamic, wish), "SSH-2.0-OpenSSH");
});

await peerTest(["sshd", "ssh"], "ClearAllForwardings makes no tunnels", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  await using place = await world(() => `
    Host cleared
      ClearAllForwardings yes
    Host *
      LocalForward 127.0.0.1:${port} localhost:1
      ExitOnForwardFailure yes
  `);
  for (const { code, text } of await beside(place, ["cleared", "echo in"])) {
    assertEquals([code, text], [0, "in\n"]);
  }
  for (const { code, text } of await beside(place, ["other", "echo in"])) {
    assertEquals([code, text], [255, ""]);
  }
});

await peerTest(["sshd", "ssh"], "StdinNull and RequestTTY work as in ssh", async () => {
  await using place = await world(() => `
    Host silent
      StdinNull yes
    Host terminal
      RequestTTY force
    Host plain
      RequestTTY no
  `);
  for (
    const [alias, command, expected] of [
      ["silent", "cat", ""],
      ["other", "cat", "typed\n"],
      ["terminal", "test -t 1 && echo terminal", "terminal\r\n"],
      ["plain", "test -t 1 || echo none", "none\n"],
    ] as const
  ) {
    const stdin = command === "cat" ? "typed\n" : "";
    for (const { text } of await beside(place, [alias, command], { stdin })) {
      assertEquals(text, expected, alias);
    }
  }
});

await peerTest(["sshd", "ssh"], "Match tagged tests the Tag that was set", async () => {
  await using place = await world(() => `
    Host work
      Tag office
    Match tagged office
      SetEnv X_PLACE=office
    Match tagged "home,out*"
      SetEnv X_PLACE=elsewhere
    Match !tagged "?*"
      SetEnv X_PLACE=nowhere
  `);
  assertEquals(await both(place, "work", "echo $X_PLACE"), ["office", "office"]);
  assertEquals(await both(place, "x", "echo $X_PLACE"), ["nowhere", "nowhere"]);
  const said = await place.ssh("-o", "Tag=outdoors", "work", "echo $X_PLACE");
  assertEquals(said.text, "elsewhere\n");
});

await peerTest(
  ["sshd", "ssh"],
  "GlobalKnownHostsFile and similar directives are trusted as in ssh",
  async () => {
    await using place = await world((server, folder) => `
    Host everybody
      UserKnownHostsFile none
      GlobalKnownHostsFile /nonexistent/hosts ${server.knownHosts}
    Host nobody
      UserKnownHostsFile none
    Host here
      UserKnownHostsFile none
      NoHostAuthenticationForLocalhost yes
    Host alias
      HostKeyAlias database
      UserKnownHostsFile ${folder}/alias
    Host strict
      UserKnownHostsFile ${folder}/new
      StrictHostKeyChecking yes
    Host learning
      UserKnownHostsFile ${folder}/new
      StrictHostKeyChecking accept-new
  `);
    const { publicKey } = place.server.hostKeys.ed25519!;
    await place.folder.write("alias", `database ${publicKey}\n`);
    const cases: [string, boolean][] = [
      ["everybody", true],
      ["nobody", false],
      ["here", true],
      ["alias", true],
      ["strict", false],
    ];
    for (const [alias, good] of cases) {
      const codes = (await beside(place, [alias, "true"])).map(({ code }) => code);
      assertEquals(codes, good ? [0, 0] : [255, 255], alias);
      if (good) await (await place.connect(alias)).close();
      else await assertRejects(() => place.connect(alias), HostKeyError);
    }
    await (await place.connect("learning")).close();
    for (const { code } of await beside(place, ["strict", "true"])) assertEquals(code, 0);
  },
);

await peerTest(
  ["sshd", "ssh"],
  "CASignatureAlgorithms refuses a host's certificate as ssh does",
  async () => {
    await using folder = await tempFolder();
    const rsa = await keyFile("rsa", "authority");
    const certified = await certifiedKey(folder, "host", {
      ...{ host: true, principals: ["127.0.0.1"] },
      ...{ authority: rsa, algorithm: "rsa-sha2-256" },
    });
    const known = await folder.write("known", `@cert-authority * ${rsa.publicKey}\n`);
    await using place = await world(() => `
    Host strong
      CASignatureAlgorithms -rsa-sha2-256
    Host *
      UserKnownHostsFile ${known}
  `, { hostKeys: ["ed25519"], config: { HostCertificate: `${certified.path}-cert.pub` } });
    for (const [alias, good] of [["any", true], ["strong", false]] as const) {
      const codes = (await beside(place, [alias, "true"])).map(({ code }) => code);
      assertEquals(codes, good ? [0, 0] : [255, 255], alias);
      if (good) await (await place.connect(alias)).close();
      else await assertRejects(() => place.connect(alias), HostKeyError, "rsa-sha2-256");
    }
  },
);

await peerTest(
  ["sshd", "ssh"],
  "CASignatureAlgorithms applies to hosts, not to the user's certificate",
  async () => {
    await using folder = await tempFolder();
    const ca = await authority();
    const trusted = await folder.write("ca.pub", `${ca.publicKey}\n`, 0o644);
    const me = (await run("id", ["-un"])).text.trim();
    const own = await certifiedKey(folder, "certified", { principals: [me] });
    await using place = await world(() => `
    Host *
      CASignatureAlgorithms ecdsa-sha2-nistp256
      IdentityFile ${own.path}
      CertificateFile ${own.path}-cert.pub
  `, { config: { TrustedUserCAKeys: trusted, AuthorizedKeysFile: "none" } });
    for (const { code, stderr } of await beside(place, ["x", "true"])) {
      assertEquals(
        code,
        0,
        stderr,
      );
    }
    const host = await place.connect("x").catch((error) => error as AuthError);
    assert(!(host instanceof Error), `${host}`);
    await host.close();
  },
);

await peerTest(
  ["sshd", "ssh", "Xvfb", "xauth", "xdpyinfo"],
  "ForwardX11 shows remote programs on the local display",
  async () => {
    await using screen = await startXServer();
    await using place = await world(
      () => `
      Host shown
        ForwardX11 yes
    `,
      { config: { X11Forwarding: "yes" } },
    );
    const { env } = screen;
    for (const { text, stderr } of await beside(place, ["shown", "xdpyinfo"], { env })) {
      assertStringIncludes(text, "dimensions:", stderr);
    }
    for (const { text } of await beside(place, ["hidden", "echo $DISPLAY"], { env })) {
      assertEquals(text, "\n");
    }
  },
);
