/** An expired password is changed during the login (RFC 4252 §8), with asyncssh and with `ssh`. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { AuthError, password } from "@denossh/ssh";
import type { ServeOptions } from "@denossh/ssh/server";
import { askpass, cliSsh } from "../../cli/world.ts";
import type { Endpoint } from "../../support/endpoint.ts";
import { runForeign } from "../harness/foreign_clients.ts";
import { startForeign } from "../harness/foreign_server.ts";
import { runClient } from "../harness/openssh_clients.ts";
import { connectTo, type OurServer, startOurs } from "../harness/ours.ts";
import { peerTest } from "../harness/peers.ts";
import { tempFolder } from "../../support/temp.ts";
import { control } from "../harness/control.ts";

const OLD = "summer";
const NEW = "long enough";

/** Our server, which requires the old password to be changed to one of eight characters. */
async function changing(): Promise<{ server: OurServer; seen: string[] }> {
  const seen: string[] = [];
  let secret = OLD;
  const auth: ServeOptions["auth"] = {
    password(_user, given) {
      if (given !== secret) return false;
      return secret === OLD ? { change: "Your password has expired" } : true;
    },
    passwordChange(_user, before, after) {
      seen.push(`${before} > ${after}`);
      if (before !== secret) return false;
      if (after.length < 8) return { change: "At least eight characters" };
      secret = after;
      return true;
    },
  };
  return { server: await startOurs({ auth }), seen };
}

/** The control: asyncssh's client changes its password on asyncssh's server. */
function changeControl(): Promise<string | null> {
  return control("asyncssh", "changes a password", async () => {
    const options = { password: NEW, expiredPassword: OLD, userKey: null };
    await using server = await startForeign("asyncssh", options);
    const said = await runForeign("asyncssh", withPassword(server, OLD), ["exec", "echo in"], {
      newPasswords: [NEW],
    });
    assertEquals(said.text, "in\n", said.stderr);
  }, "asyncssh");
}

/** A user with only a password. */
function withPassword(server: Endpoint, secret: string): Endpoint {
  const { hostname, port, user, knownHosts } = server;
  return { hostname, port, user, knownHosts, password: secret };
}

await peerTest(["asyncssh"], "Our client changes its password on asyncssh's server", async (t) => {
  const start = () =>
    startForeign("asyncssh", { password: NEW, expiredPassword: OLD, userKey: null });
  await t.step("after a retry, and later logins use the new one", async () => {
    await using server = await start();
    const asked: string[] = [];
    const change = (prompt: string) => {
      asked.push(prompt);
      return asked.length === 1 ? "short" : "yet another";
    };
    await using host = await connectTo(server, { auth: [password(OLD, { change })] });
    assertEquals(await host.run("echo in"), "in");
    assertEquals(asked, ["Your password has expired", "At least eight characters"]);
    await using again = await connectTo(server, { auth: [password("yet another")] });
    assertEquals(await again.run("echo in"), "in");
  });
  await t.step("which fails without a changePassword function", async () => {
    await using server = await start();
    const login = () => connectTo(server, { auth: [password(OLD)] });
    await assertRejects(login, AuthError, "must be changed");
  });
  await t.step("which cli ssh asks for twice", async () => {
    await using server = await start();
    await using folder = await tempFolder();
    const endpoint = withPassword(server, OLD);
    const { text, stderr } = await cliSsh(endpoint, ["echo in"], {
      config: { PreferredAuthentications: "password" },
      env: await askpass(folder, [OLD, "yet another", "yet another"]),
    });
    assertEquals(text, "in\n", stderr);
  });
}, changeControl);

await peerTest(["asyncssh"], "asyncssh's client changes its password on our server", async (t) => {
  await t.step("after a retry", async () => {
    const { server, seen } = await changing();
    await using _server = server;
    const newPasswords = ["short", NEW];
    const said = await runForeign("asyncssh", withPassword(server, OLD), ["exec", "echo in"], {
      newPasswords,
    });
    assertEquals(said.text, "in\n", said.stderr);
    assertEquals(seen, [`${OLD} > short`, `${OLD} > ${NEW}`]);
    assertStringIncludes(said.stderr, "change Your password has expired");
    assertStringIncludes(said.stderr, "change At least eight characters");
    assert(/^changed$/m.test(said.stderr), said.stderr);
    const now = await runForeign("asyncssh", withPassword(server, NEW), ["exec", "echo in"]);
    assertEquals(now.text, "in\n", now.stderr);
  });
  await t.step("which cannot log in otherwise", async () => {
    const { server, seen } = await changing();
    await using _server = server;
    const said = await runForeign("asyncssh", withPassword(server, OLD), ["exec", "echo in"]);
    assertEquals([said.text, seen], ["", []]);
    assertStringIncludes(said.stderr, "PermissionDenied");
  });
}, changeControl);

await peerTest(["ssh"], "ssh changes its password on our server", async () => {
  const { server, seen } = await changing();
  await using _server = server;
  // It asks for the old one again, and for the new one twice.
  const endpoint = { ...withPassword(server, OLD), answers: [OLD, OLD, NEW, NEW] };
  const said = await runClient("ssh", endpoint, ["echo in"], {
    config: { PreferredAuthentications: "password" },
  });
  assertEquals(said.text, "in\n", said.stderr);
  assertEquals(seen, [`${OLD} > ${NEW}`]);
});
