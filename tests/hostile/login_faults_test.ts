/**
 * Tests ours for public faults of logins, keys and agents in other implementations in 2025 and 2026.
 * `docs/attacks.md` lists all, also those tested elsewhere.
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  connectAgent,
  type HostProof,
  KeyFormatError,
  Keyring,
  RequestDeniedError,
} from "@denossh/ssh";
import {
  generateKey,
  issueCertificate,
  parseAuthorizedKeys,
  parsePublicKey,
} from "@denossh/ssh/keys";
import { authorize } from "../../lib/auth/authorize.ts";
import { FAILURE_MS } from "../../lib/auth/failure_delay.ts";
import type { ServerAuthPolicy } from "../../lib/auth/policy.ts";
import { authenticateServer, type ServerAuthOptions } from "../../lib/auth/server.ts";
import { ed25519Section } from "../../lib/keys/ed25519.ts";
import { parseStrangersKey } from "../../lib/keys/public_key.ts";
import { strangersWork } from "../../lib/transport/work_share.ts";
import { UserauthInfoResponse, UserauthRequest } from "../../lib/wire/messages.ts";
import { InteractiveAuth, PublicKeyAuth, PublicKeyProbe } from "../../lib/wire/requests.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { comments, framed, say } from "../agent/world.ts";
import { linkPair, type MemoryLink } from "../auth/link_pair.ts";
import { FakeTime } from "../support/fake_time.ts";

const service = "ssh-connection";
const zeros = (length: number) => new Uint8Array(length);

/** Numbers of answers to a request (RFC 4252, RFC 4256). */
const [FAILURE, QUESTION, PK_OK] = [51, 60, 60];

/** The client's end of a login to our server. */
function loginAt(policy: ServerAuthPolicy, options: Partial<ServerAuthOptions> = {}): MemoryLink {
  const { client, server } = linkPair();
  authenticateServer(server, { policy, ...options }).catch((error) => client.die(error));
  return client;
}

async function answerTo(client: MemoryLink, message: Uint8Array): Promise<number> {
  client.send(message);
  return (await client.receive())[0]!;
}

for (const waited of [60, 6_000, 60_000]) {
  Deno.test(`a refused answer takes the minimum time, also after ${waited} ms (OpenSSH, July 2026)`, async () => {
    const client = loginAt({
      interactive: async (_user, ask) => {
        await ask([{ text: "Code: ", echo: true }]);
        return false;
      },
    });
    using time = new FakeTime();
    const data = InteractiveAuth.encode({ language: "", submethods: "" });
    const method = "keyboard-interactive";
    const asked = answerTo(client, UserauthRequest.encode({ user: "ann", service, method, data }));
    assertEquals(await time.settle(asked), QUESTION);
    await time.advance(waited);
    const start = time.now;
    const answers = new Writer().text("1234").take();
    const refused = answerTo(client, UserauthInfoResponse.encode({ count: 1, answers }));
    assertEquals(await time.settle(refused), FAILURE);
    const took = time.now - start;
    assert(took >= FAILURE_MS && took < 2 * FAILURE_MS, `${took} ms`);
  });
}

Deno.test("an ECDSA key of a curve that is not accepted does not log in (CVE-2026-35387)", async () => {
  const client = loginAt({ publicKey: () => true }, { algorithms: ["ecdsa-sha2-nistp521"] });
  for (const [curve, answer] of [[256, FAILURE], [384, FAILURE], [521, PK_OK]] as const) {
    using key = await generateKey(`ecdsa-p${curve}`);
    const { type: algorithm, blob: publicKey } = key.publicKey;
    const data = PublicKeyProbe.encode({ signed: false, algorithm, publicKey });
    const request = UserauthRequest.encode({ user: "ann", service, method: "publickey", data });
    assertEquals(await answerTo(client, request), answer, algorithm);
  }
});

/** An invented key or authority: an odd number of this many bits. */
function madeUpRsa(bits: number): Uint8Array {
  return new Writer().text("ssh-rsa").mpint(Uint8Array.of(1, 0, 1))
    .mpint(new Uint8Array(bits / 8).fill(0xff)).take();
}

/** A certificate with an invalid signature. */
function madeUpCertificate(authority: Uint8Array, bits: number): Uint8Array {
  const none = new Uint8Array(0);
  const signature = new Writer().text("rsa-sha2-512").string(new Uint8Array(bits / 8).fill(1));
  return new Writer().text("ssh-ed25519-cert-v01@openssh.com").string(new Uint8Array(32))
    .string(new Uint8Array(32).fill(7)).u64(0n).u32(1).text("id").string(none)
    .u64(0n).u64(2n ** 64n - 1n).string(none).string(none).string(none)
    .string(authority).string(signature.take()).take();
}

for (
  const [what, algorithm, publicKey, bits, turns] of [
    ["an RSA key of 4096 bits", "rsa-sha2-512", madeUpRsa(4096), 4096, 0],
    ["an RSA key of 4608 bits", "rsa-sha2-512", madeUpRsa(4608), 4608, 1],
    [
      "a certificate of an authority of 4096 bits",
      "ssh-ed25519-cert-v01@openssh.com",
      madeUpCertificate(madeUpRsa(4096), 4096),
      512,
      0,
    ],
    [
      "a certificate of an authority of 8192 bits",
      "ssh-ed25519-cert-v01@openssh.com",
      madeUpCertificate(madeUpRsa(8192), 8192),
      512,
      1,
    ],
  ] as const
) {
  Deno.test(`an unauthenticated peer's signature by ${what} ${turns ? "waits for its turn" : "is quick"} (CVE-2026-39829)`, async () => {
    let waited = 0;
    using _ = workBy((work, run) => {
      waited++;
      return run(work);
    });
    const client = loginAt({ publicKey: () => true });
    const signature = new Writer().text("rsa-sha2-512").string(zeros(bits / 8)).take();
    const data = PublicKeyAuth.encode({ signed: true, algorithm, publicKey, signature });
    const request = UserauthRequest.encode({ user: "ann", service, method: "publickey", data });
    assertEquals([await answerTo(client, request), waited], [FAILURE, turns]);
  });
}

for (
  const [what, algorithm, publicKey, accepted, works] of [
    ["a key of 8192 bits that is refused", "rsa-sha2-512", madeUpRsa(8192), false, 1],
    ["a key of 8208 bits that is refused", "rsa-sha2-512", madeUpRsa(8208), false, 0],
    ["a key of 16384 bits that is accepted", "rsa-sha2-512", madeUpRsa(16384), true, 2],
  ] as const
) {
  Deno.test(`a signature by ${what} is ${works ? "" : "not "}verified (CVE-2026-39829)`, async () => {
    let done = 0;
    using _ = workBy((work, run) => {
      done++;
      return run(work);
    });
    const client = loginAt({ publicKey: () => accepted });
    const signature = new Writer().text("rsa-sha2-512").string(zeros(1024)).take();
    const data = PublicKeyAuth.encode({ signed: true, algorithm, publicKey, signature });
    const request = UserauthRequest.encode({ user: "ann", service, method: "publickey", data });
    assertEquals([await answerTo(client, request), done], [FAILURE, works]);
  });
}

Deno.test("an unauthenticated peer's certificate by an authority of more than 8192 bits is not verified (CVE-2026-39829)", () => {
  for (const [bits, reason] of [[8192, "not its authority's"], [8208, "more than 8192 bits"]]) {
    const blob = madeUpCertificate(madeUpRsa(Number(bits)), 8192);
    assertThrows(() => parseStrangersKey(blob), KeyFormatError, String(reason));
    assertThrows(() => parsePublicKey(blob), KeyFormatError, "not its authority's");
  }
});

Deno.test("no work is done for an unauthenticated peer that disconnects before its turn (CVE-2026-39829)", async () => {
  const over = new AbortController();
  const tried = Promise.withResolvers<unknown>();
  using _ = workBy((work) => {
    over.abort();
    const done = Promise.try(work);
    tried.resolve(done.then(() => "done", (error) => error.name));
    return done;
  });
  const client = loginAt({ publicKey: () => true }, { signal: over.signal });
  const fields = { signed: true, algorithm: "rsa-sha2-512", publicKey: madeUpRsa(8192) };
  const data = PublicKeyAuth.encode({ ...fields, signature: zeros(1024) });
  client.send(UserauthRequest.encode({ user: "ann", service, method: "publickey", data }));
  assertEquals(await tried.promise, "AbortError");
});

type Work = () => unknown;

/** Replaces how costly work for unauthenticated peers is done, until it is disposed. */
function workBy(way: (work: Work, run: (work: Work) => unknown) => unknown): Disposable {
  const { run } = strangersWork;
  strangersWork.run = async (work) => await way(work, run.bind(strangersWork)) as never;
  return { [Symbol.dispose]: () => void (strangersWork.run = run) };
}

Deno.test("a principal with a comma is one name, not two (CVE-2026-35414)", async () => {
  using authority = await generateKey();
  using key = await generateKey();
  const allowed = async (line: string, principals: string[]) => {
    const certificate = await issueCertificate(authority, key.publicKey, {
      ...{ kind: "user", keyId: "test", principals },
    });
    const attempt = { user: "root", key: certificate, address: "192.0.2.7" };
    return authorize(`cert-authority${line} ${authority.publicKey}`, attempt) !== null;
  };
  const two = ',principals="deploy,root"';
  assert(await allowed(two, ["root"]));
  for (const principal of ["deploy,root", "root,deploy", "ann,root", "root,", ",root", "root "]) {
    assert(!await allowed(two, [principal]), principal);
    assert(!await allowed("", [principal]), principal);
  }
});

Deno.test("a line of authorized_keys may have any length (Dropbear 2026.92)", async () => {
  using key = await generateKey();
  using hidden = await generateKey();
  for (const length of [1023, 4096, 8191, 65_536, 1_000_000]) {
    const padding = "x".repeat(length);
    const text = `command="${padding}" ${key.publicKey} ${padding} ${hidden.publicKey}\n`;
    const entries = parseAuthorizedKeys(text);
    assertEquals(entries.map(({ options }) => options.get("command")?.length), [length]);
    assert(entries[0]!.key.equals(key.publicKey));
  }
});

Deno.test("a locked agent still records that it was forwarded (OpenSSH, August 2026)", async () => {
  using keyring = new Keyring();
  keyring.add(await generateKey());
  keyring.lock("sesame");
  await using there = await connectAgent(keyring);
  const host = await generateKey();
  const sessionId = new Uint8Array(32).fill(1);
  const signature = host.sign("ssh-ed25519", sessionId);
  const proof: HostProof = { hostKey: host.publicKey, sessionId, signature };
  await there.bindSession(proof, { forwarding: true });
  assert(await keyring.unlock("sesame"));
  assertEquals((await there.identities()).length, 1);
  await assertRejects(() => there.removeAll(), RequestDeniedError);
  await assertRejects(() => there.lock("mine"), RequestDeniedError);
});

/** A whole request to add an Ed25519 key, of which parts may be replaced. */
function adding(parts: { publicKey?: Uint8Array; both?: Uint8Array; rest?: Uint8Array } = {}) {
  const section = ed25519Section(new Uint8Array(32).fill(7));
  const [publicKey, both] = [section.slice(19, 51), section.slice(55, 119)];
  return framed(
    ...new Writer().u8(25).text("ssh-ed25519").string(parts.publicKey ?? publicKey)
      .string(parts.both ?? both).text("x").bytes(parts.rest ?? new Uint8Array(0)).take(),
  );
}

const extension = (name: string, contents: Uint8Array) =>
  new Writer().u8(255).text(name).string(contents).take();

for (
  const [what, request] of [
    ["an Ed25519 key of no bytes (CVE-2026-46598)", adding({ both: zeros(0) })],
    ["an Ed25519 key of 31 bytes (CVE-2026-46598)", adding({ both: zeros(31) })],
    ["an Ed25519 key without its second half (CVE-2026-46598)", adding({ both: zeros(32) })],
    ["an Ed25519 key with another second half (CVE-2026-46598)", adding({ both: zeros(64) })],
    ["an Ed25519 key of 65 bytes (CVE-2026-46598)", adding({ both: zeros(65) })],
    ["an Ed25519 key whose public half has no bytes", adding({ publicKey: zeros(0) })],
    ["a lifetime without its number (CVE-2025-47914)", adding({ rest: Uint8Array.of(1) })],
    ["half a lifetime (CVE-2025-47914)", adding({ rest: Uint8Array.of(1, 0, 0) })],
    ["an extension without a name (CVE-2025-47914)", adding({ rest: Uint8Array.of(255) })],
    ["an extension beyond the message (CVE-2025-47914)", adding({ rest: Uint8Array.of(255, 9) })],
    [
      "half a restriction to hosts (CVE-2025-47914)",
      adding({
        rest: extension("restrict-destination-v00@openssh.com", Uint8Array.of(0, 0, 0, 9, 1)),
      }),
    ],
    [
      "a confirmation that cannot be asked for (CVE-2026-39833)",
      adding({
        rest: Uint8Array.of(2),
      }),
    ],
    [
      "a constraint that is not known (CVE-2026-39832)",
      adding({
        rest: extension("sk-provider@openssh.com", zeros(4)),
      }),
    ],
    [
      "a restriction that is not known (CVE-2026-39832)",
      adding({
        rest: extension("restrict-everything@example.com", zeros(0)),
      }),
    ],
  ] as const
) {
  Deno.test(`an agent refuses a key with ${what}`, async () => {
    using keyring = new Keyring();
    assertEquals(await say(keyring, request, 5), framed(5));
    assertEquals(await comments(keyring), []);
    assertEquals(await say(keyring, adding(), 5), framed(6)); // otherwise valid
  });
}
