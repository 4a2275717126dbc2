import { assertEquals } from "@std/assert";
import { connectAgent, Keyring, listenAgent } from "@denossh/ssh";
import { Config } from "@denossh/ssh/config";
import { generateKey } from "@denossh/ssh/keys";
import { connectablePath, userAgentPath } from "../../lib/agent/agent_path.ts";
import { connectPipe } from "../../lib/runtime/deno_net.ts";
import { namedPipes } from "../../lib/runtime/named_pipes.ts";

const HASH = "0123456789abcdef".repeat(4);
const OTHER = HASH.replaceAll("0", "f");
const OPENSSH = "\\\\.\\pipe\\openssh-ssh-agent";

interface Surroundings {
  readonly os?: string;
  readonly SSH_AUTH_SOCK?: string;
  readonly USERNAME?: string;
  readonly pipes?: string[] | null;
}

const PATHS: readonly (readonly [what: string, Surroundings, path: string | null])[] = [
  [
    "SSH_AUTH_SOCK comes first",
    { SSH_AUTH_SOCK: "/run/a", pipes: ["openssh-ssh-agent"] },
    "/run/a",
  ],
  ["OpenSSH's pipe comes before Pageant's", {
    pipes: [`pageant.ann.${HASH}`, "openssh-ssh-agent"],
  }, OPENSSH],
  ["Pageant's is found by the user's name", {
    pipes: ["pageantry", `pageant.bob.${OTHER}`, `pageant.ann.${HASH}`],
  }, `\\\\.\\pipe\\pageant.ann.${HASH}`],
  ["the name's case does not matter", {
    USERNAME: "Ann",
    pipes: [`pageant.ann.${HASH}`],
  }, `\\\\.\\pipe\\pageant.ann.${HASH}`],
  ["a name may have dots", {
    USERNAME: "ann.lee",
    pipes: [`pageant.ann.lee.${HASH}`],
  }, `\\\\.\\pipe\\pageant.ann.lee.${HASH}`],
  ["another user's name may begin alike", { pipes: [`pageant.ann.lee.${HASH}`] }, null],
  ["of two, one is an impostor's", {
    pipes: [`pageant.ann.${HASH}`, `pageant.ann.${OTHER}`],
  }, null],
  ["a name without a hash is not Pageant's", {
    pipes: ["pageant.ann.", "pageant.ann.agent", `pageant.ann.${HASH}0`],
  }, null],
  ["without a user name there is none", { USERNAME: "", pipes: [`pageant..${HASH}`] }, null],
  ["without either pipe there is none", { pipes: ["lsass"] }, null],
  ["pipes that cannot be listed may have OpenSSH's", { pipes: null }, OPENSSH],
  ["other systems have no pipes", { os: "linux", pipes: ["openssh-ssh-agent"] }, null],
];

for (const [what, { os = "windows", pipes = [], ...variables }, path] of PATHS) {
  Deno.test(`The user's agent: ${what}`, () => {
    const values: Record<string, string | undefined> = { USERNAME: "ann", ...variables };
    const found = userAgentPath({ os, variable: (name) => values[name], pipes: () => pipes });
    assertEquals(found, path);
  });
}

Deno.test("A pipe is found by every spelling of its path", async () => {
  for (
    const written of [OPENSSH, "//./pipe/openssh-ssh-agent", '"\\\\.\\pipe\\openssh-ssh-agent"']
  ) {
    const { IdentityAgent } = await Config.parse(`IdentityAgent ${written}`).lookup("db1");
    assertEquals(connectablePath(IdentityAgent!, "windows"), OPENSSH);
  }
  assertEquals(connectablePath("C:\\agent.sock", "windows"), "C:\\agent.sock");
  assertEquals(connectablePath("//./pipe/agent", "linux"), "//./pipe/agent");
});

Deno.test({
  name: "An agent signs over a connection of node:net, as its pipe on Windows does",
  ignore: Deno.build.os === "windows",
  async fn() {
    using keyring = new Keyring();
    keyring.add(await generateKey("ed25519"));
    await using listener = await listenAgent(keyring);
    await using agent = await connectAgent({ connect: () => connectPipe(listener.path) });
    const [key] = await agent.identities();
    const data = new Uint8Array(100_000); // more than a socket accepts in one write
    assertEquals(
      key!.publicKey.verify("ssh-ed25519", data, await key!.sign("ssh-ed25519", data)),
      true,
    );
  },
});

Deno.test({
  name: "On systems without pipes, listing pipes returns none",
  ignore: Deno.build.os === "windows",
  fn: () => assertEquals(namedPipes(), null),
});
