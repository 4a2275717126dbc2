/** The host keys that a server offers, announces and proves. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Client, connect, none, RequestDeniedError } from "@denossh/ssh";
import {
  generateKey,
  issueCertificate,
  type PrivateKey,
  type PublicKey,
  type Signer,
  withCertificate,
} from "@denossh/ssh/keys";
import { serveStreams } from "@denossh/ssh/server";
import { memoryPair } from "@denossh/ssh/testing";
import type { AlgorithmOptions } from "../../lib/crypto/suite.ts";
import { decodeSignature } from "../../lib/keys/signature.ts";
import { HOSTKEYS_PROVE } from "../../lib/wire/numbers.ts";
import { HostKeyProved } from "../../lib/wire/requests.ts";
import { Reader } from "../../lib/wire/reader.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { testKey } from "../support/keys.ts";

const [ed25519, ecdsa, rsa, authority] = await Promise.all([
  generateKey("ed25519"),
  generateKey("ecdsa-p256"),
  testKey("rsa"),
  generateKey("ed25519"),
]) as [PrivateKey, PrivateKey, PrivateKey, PrivateKey];
const certificate = withCertificate(
  ed25519,
  await issueCertificate(authority, ed25519.publicKey, {
    kind: "host",
    keyId: "test",
    principals: ["db"],
  }),
);

interface Met extends AsyncDisposable {
  readonly host: Client;
  /** The host key of the connection. */
  readonly shown: PublicKey;
  /** The announced keys, or null after its first answer without an announcement. */
  readonly announced: readonly PublicKey[] | null;
  /** The identifier of the session. */
  readonly sessionId: Uint8Array;
}

async function meet(
  hostKeys: readonly Signer[],
  server: AlgorithmOptions | "strict" = {},
  client: AlgorithmOptions | "strict" = {},
): Promise<Met> {
  const [near, far] = memoryPair();
  let sessionId = new Uint8Array(0);
  // A signer signs over the hash of the first exchange, which is the session identifier.
  const noted = hostKeys.map((signer): Signer => ({
    publicKey: signer.publicKey,
    async sign(algorithm, data) {
      if (sessionId.length === 0) sessionId = new Uint8Array(data);
      return await signer.sign(algorithm, data);
    },
  }));
  const served = serveStreams(far, {
    hostKeys: noted,
    auth: { none: () => true },
    algorithms: server,
  });
  let announced: readonly PublicKey[] | null = null;
  let shown: PublicKey | undefined;
  const host = await connect({
    transport: near,
    user: "me",
    auth: [none()],
    config: false,
    algorithms: client,
    hostKeys: {
      verify: (_host: unknown, key: PublicKey) => (shown = key, true),
      update: (_host: unknown, _shown: unknown, keys: readonly PublicKey[]) =>
        void (announced = keys),
    },
  });
  await host.request("keepalive@openssh.com");
  return {
    host,
    shown: shown!,
    announced,
    sessionId,
    async [Symbol.asyncDispose]() {
      await host.close();
      await served.close();
    },
  };
}

/** Makes the server prove keys; returns the signature algorithms. */
async function prove({ host, sessionId }: Met, keys: readonly PublicKey[]): Promise<string[]> {
  const question = new Writer();
  for (const { blob } of keys) question.string(blob);
  const answer = new Reader(await host.request(HOSTKEYS_PROVE, question.take()));
  const algorithms = keys.map((key) => {
    const signature = answer.string();
    const { algorithm } = decodeSignature(signature);
    const purpose = HOSTKEYS_PROVE;
    const signed = HostKeyProved.encode({ purpose, sessionId, hostKey: key.blob });
    assert(key.verify(algorithm, signed, signature));
    return algorithm;
  });
  answer.end();
  return algorithms;
}

const lines = (keys: readonly PublicKey[] | null) => keys?.map((key) => key.toString()) ?? null;

Deno.test("A server announces all of its keys after the login, without certificates", async () => {
  await using met = await meet([certificate, ed25519, ecdsa]);
  assertEquals(lines(met.announced), lines([ed25519.publicKey, ecdsa.publicKey]));
});

Deno.test("A server with only a certificate announces and proves nothing", async () => {
  await using met = await meet([certificate]);
  assertEquals(met.announced, null);
  await assertRejects(() => prove(met, [ed25519.publicKey]), RequestDeniedError);
});

Deno.test("A server proves the requested keys, in order", async () => {
  await using met = await meet([ed25519, ecdsa]);
  assertEquals(await prove(met, [ecdsa.publicKey, ed25519.publicKey]), [
    "ecdsa-sha2-nistp256",
    "ssh-ed25519",
  ]);
  assertEquals(await prove(met, [ed25519.publicKey]), ["ssh-ed25519"]);
  assertEquals(await prove(met, []), []);
});

Deno.test("A server proves no repeated or unknown key, and no certificate", async () => {
  await using met = await meet([ed25519, certificate]);
  for (
    const keys of [
      [ed25519.publicKey, ed25519.publicKey],
      [ed25519.publicKey, ecdsa.publicKey],
      [certificate.publicKey],
    ]
  ) {
    await assertRejects(() => prove(met, keys), RequestDeniedError);
  }
  const one = new Writer().string(ed25519.publicKey.blob).u8(0).take();
  for (const broken of [Uint8Array.of(0, 0, 0, 9, 1), one]) {
    await assertRejects(() => met.host.request(HOSTKEYS_PROVE, broken), RequestDeniedError);
  }
  assertEquals(await prove(met, [ed25519.publicKey]), ["ssh-ed25519"]);
});

for (
  const [agreed, expected] of [
    ["rsa-sha2-256", "rsa-sha2-256"],
    ["rsa-sha2-512", "rsa-sha2-512"],
    ["ssh-ed25519", "rsa-sha2-512"],
  ] as const
) {
  Deno.test(`An RSA key is proved with ${expected} if the exchange was signed with ${agreed}`, async () => {
    await using met = await meet([ed25519, rsa], {}, { hostKey: agreed });
    assertEquals(await prove(met, [rsa.publicKey]), [expected]);
  });
}

Deno.test("A server uses the client's first algorithm that it has a key for", async () => {
  const both = [rsa, ecdsa];
  for (
    const [hostKey, key] of [["ecdsa-sha2-nistp256,rsa-sha2-512", ecdsa], [
      "rsa-sha2-512",
      rsa,
    ]] as const
  ) {
    await using met = await meet(both, {}, { hostKey });
    assert(met.shown.equals(key.publicKey));
  }
});

Deno.test("A server signs only with the configured host key algorithms", async () => {
  await using met = await meet([ed25519, ecdsa], { hostKey: "ecdsa-sha2-nistp256" });
  assert(met.shown.equals(ecdsa.publicKey));
  await assertRejects(() =>
    meet([ed25519, ecdsa], { hostKey: "ecdsa-sha2-nistp256" }, { hostKey: "ssh-ed25519" })
  );
});

Deno.test("A server refuses host key algorithms without a matching key", () => {
  const serve = (hostKeys: readonly Signer[], algorithms: AlgorithmOptions) => () =>
    serveStreams(memoryPair()[1], { hostKeys, auth: { none: () => true }, algorithms });
  const message = "No host key fits";
  assertThrows(serve([ed25519], { hostKey: "rsa-sha2-512" }), TypeError, message);
  assertThrows(serve([rsa], { hostKey: "ssh-ed25519,ecdsa-sha2-nistp256" }), TypeError, message);
  assertThrows(serve([], {}), TypeError, "A server needs a host key");
});

Deno.test("A host key whose type the preset leaves out is offered, once, unless algorithms are named", async () => {
  const offered = async (options: AlgorithmOptions | "strict", hostKeys: Signer[]) => {
    const [near, far] = memoryPair();
    const names: unknown[] = [];
    const served = serveStreams(far, {
      hostKeys,
      auth: { none: () => true },
      algorithms: options,
      trace: ({ direction, name, fields }) => {
        if (direction === "sent" && name === "KEXINIT") names.push(JSON.stringify(fields));
      },
    });
    await near.writable.getWriter().write(new TextEncoder().encode("SSH-2.0-x\r\n"));
    const reader = near.readable.getReader();
    while (names.length === 0) await reader.read();
    await reader.cancel();
    await served.close();
    return String(names[0]);
  };
  const count = (text: string, name: string) =>
    text.split(new RegExp(`"${name}"|\\b${name}\\b(?!-)`)).length - 1;
  const strict = await offered("strict", [ecdsa]);
  assertEquals(count(strict, "ecdsa-sha2-nistp256"), 1, strict);
  const both = await offered({}, [ecdsa, ed25519]);
  assertEquals([count(both, "ecdsa-sha2-nistp256"), count(both, "ssh-ed25519")], [1, 1], both);
  await using met = await meet([ecdsa], "strict");
  assert(met.shown.equals(ecdsa.publicKey));
  const named = { hostKey: "ssh-ed25519" };
  assertThrows(
    () =>
      serveStreams(memoryPair()[1], {
        hostKeys: [ecdsa],
        auth: { none: () => true },
        algorithms: named,
      }),
    TypeError,
    "No host key fits",
  );
});
