import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { connect, HostKeyError, knownHosts, password } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { serveStreams } from "@denossh/ssh/server";
import { memoryPair } from "@denossh/ssh/testing";
import type { HostKeys } from "../../lib/login/host_keys.ts";

const key = await generateKey("ed25519");
const other = await generateKey("ed25519");

/** Connects to "example.com"; counts the passwords that reach the server. */
async function attempt(hostKeys: HostKeys, port = 22): Promise<number> {
  const [near, far] = memoryPair();
  let passwords = 0;
  await using _served = serveStreams(far, {
    hostKeys: [key],
    auth: { password: () => ++passwords > 0 },
  });
  try {
    await using _host = await connect({
      hostname: "example.com",
      port,
      transport: near,
      user: "me",
      auth: [password("secret")],
      hostKeys,
    });
  } catch (error) {
    assertEquals(passwords, 0, "a credential left before the host key was accepted");
    throw error;
  }
  return passwords;
}

async function withFile(text: string, test: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, text);
    await test(path);
  } finally {
    await Deno.remove(path);
  }
}

const accepted: Record<string, HostKeys> = {
  "a PublicKey": key.publicKey,
  "a line": key.publicKey.toString(),
  "a fingerprint": key.publicKey.fingerprint(),
  "one of several": [other.publicKey, key.publicKey.fingerprint()],
  "a function": (_host, shown) => shown.equals(key.publicKey),
};
for (const [what, hostKeys] of Object.entries(accepted)) {
  Deno.test(`A host key is accepted by ${what}`, async () => {
    assertEquals(await attempt(hostKeys), 1);
  });
}

const refused: Record<string, HostKeys> = {
  "another PublicKey": other.publicKey,
  "another fingerprint": other.publicKey.fingerprint(),
  "an empty list": [],
  "a function that returns false": () => false,
  "a function that returns undefined": () => undefined as unknown as boolean,
  "a function that returns 1": () => 1 as unknown as boolean,
  "a function that throws": () => {
    throw new Error("oops");
  },
  "a function that rejects": () => Promise.reject(new Error("oops")),
  "a policy that returns undefined": { verify: () => undefined as unknown as boolean },
};
for (const [what, hostKeys] of Object.entries(refused)) {
  Deno.test(`A host key is refused by ${what}, and no credential leaves`, async () => {
    const error = await assertRejects(() => attempt(hostKeys), HostKeyError);
    assertStringIncludes(error.message, key.publicKey.fingerprint());
  });
}

Deno.test("knownHosts accepts a known key, plain or hashed, with and without a port", async () => {
  const { KnownHosts } = await import("../../lib/known_hosts/known_hosts.ts");
  for (const hash of [false, true]) {
    for (const port of [22, 2222]) {
      const line = KnownHosts.line("example.com", port, key.publicKey, { hash });
      await withFile(line + "\n", async (path) => {
        assertEquals(await attempt(knownHosts(path), port), 1);
        // As in ssh, a line without a port applies to ports without a line.
        if (port === 22) return assertEquals(await attempt(knownHosts(path), 23), 1);
        const error = await assertRejects(() => attempt(knownHosts(path), 23), HostKeyError);
        assertEquals(error.reason, "unknown");
      });
    }
  }
});

Deno.test("the error for an unknown key names the remedies, with the file if there is one", async () => {
  await withFile("", async (path) => {
    for (const paths of [[path], []]) {
      const { message } = await assertRejects(() => attempt(knownHosts(paths)), HostKeyError);
      assertStringIncludes(message, `hostKeys: "${key.publicKey.fingerprint()}"`);
      const add = `knownHosts("${path}", { unknown: "add" })`;
      assertEquals([message.includes(add), message.includes("undefined")], [
        paths.length > 0,
        false,
      ]);
    }
  });
});

Deno.test("knownHosts refuses a changed key and names the line", async () => {
  const text = `# comment\nexample.com ${other.publicKey}\n`;
  await withFile(text, async (path) => {
    const error = await assertRejects(
      () => attempt(knownHosts(path, { unknown: "add" })),
      HostKeyError,
    );
    assertEquals([error.reason, error.host], ["changed", "example.com"]);
    assertStringIncludes(error.message, `${path} line 2`);
    assertEquals(await Deno.readTextFile(path), text);
  });
});

Deno.test("knownHosts refuses a revoked key, even if another file trusts it", async () => {
  await withFile(
    `@revoked * ${key.publicKey}\n`,
    (revoked) =>
      withFile(`example.com ${key.publicKey}\n`, async (trusted) => {
        const error = await assertRejects(
          () => attempt(knownHosts([trusted, revoked])),
          HostKeyError,
        );
        assertEquals(error.reason, "revoked");
      }),
  );
});

Deno.test("knownHosts refuses an unknown host by default", async () => {
  await withFile("no line feed at the end", async (path) => {
    const error = await assertRejects(() => attempt(knownHosts(path)), HostKeyError);
    assertEquals(error.reason, "unknown");
    assertEquals(await attempt(knownHosts(path, { unknown: "add", hash: true }), 2222), 1);
    const text = await Deno.readTextFile(path);
    assert(text.startsWith("no line feed at the end\n|1|"), text);
    assertEquals(await attempt(knownHosts(path), 2222), 1);
  });
});

Deno.test("knownHosts asks a function about an unknown host", async () => {
  await withFile("", async (path) => {
    const asked: string[] = [];
    const unknown = (host: { hostname: string }, shown: { type: string }) => {
      asked.push(`${host.hostname} ${shown.type}`);
      return false;
    };
    await assertRejects(() => attempt(knownHosts(path, { unknown })), HostKeyError);
    assertEquals(asked, ["example.com ssh-ed25519"]);
    assertEquals(await Deno.readTextFile(path), "");
  });
});

Deno.test("The types of known keys are preferred, so that the server presents one of them", async () => {
  const ecdsa = await generateKey("ecdsa-p256");
  const [near, far] = memoryPair();
  await using _served = serveStreams(far, {
    hostKeys: [key, ecdsa],
    auth: { password: () => true },
  });
  await using host = await connect({
    transport: near,
    user: "me",
    auth: [password("x")],
    hostKeys: ecdsa.publicKey,
  });
  assertEquals(host.info.hostKeyAlgorithm, "ecdsa-sha2-nistp256");
});
