/** Keys and passphrases are wiped from memory by the agent's client and the agent. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type AgentClient, connectAgent, Keyring, RequestDeniedError } from "@denossh/ssh";
import { generateKey, issueCertificate, type PrivateKey } from "@denossh/ssh/keys";
import { decodeAddedKey, encodeAddedKey } from "../../lib/agent/added_key.ts";
import { certifiedSection } from "../../lib/agent/certified_section.ts";
import { Frames } from "../../lib/agent/frames.ts";
import { AGENT } from "../../lib/agent/protocol.ts";
import { KeyFormatError } from "../../lib/errors.ts";
import { removeArmor } from "../../lib/keys/armor.ts";
import { sectionFromPem } from "../../lib/keys/pem_keys.ts";
import { privateNumbers } from "../../lib/keys/private_numbers.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { MemoryWatch } from "../support/memory_watch.ts";

const WORD = "correct horse battery";
const word = new TextEncoder().encode(WORD);

function secretOf(key: PrivateKey): Uint8Array {
  const pem = removeArmor(key.export({ format: "pkcs8" }));
  const numbers = privateNumbers(sectionFromPem(pem, undefined));
  return numbers.kind === "ed25519"
    ? numbers.seed
    : numbers.kind === "rsa"
    ? numbers.d
    : numbers.scalar;
}

/** A pipe that wipes its chunks after the read, since copies inside streams are not the agent's to wipe. */
function pipe(): { readable: ReadableStream<Uint8Array>; writable: WritableStream<Uint8Array> } {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const reader = readable.getReader();
  let last: Uint8Array | undefined;
  return {
    writable,
    readable: new ReadableStream({
      async pull(controller) {
        last?.fill(0);
        ({ value: last } = await reader.read());
        if (last === undefined) controller.close();
        else controller.enqueue(last);
      },
      cancel: (reason) => reader.cancel(reason),
    }, { highWaterMark: 0 }),
  };
}

async function connected(keyring: Keyring): Promise<AgentClient> {
  const [there, back] = [pipe(), pipe()];
  keyring.serve({ readable: there.readable, writable: back.writable }).catch(() => {});
  const streams = { readable: back.readable, writable: there.writable };
  return await connectAgent({ connect: () => Promise.resolve(streams) });
}

for (const type of ["ed25519", "ecdsa-p256", "rsa"] as const) {
  Deno.test(`A key of type ${type} is in memory only in the agent, and is wiped with it`, async () => {
    using key = await generateKey(type, type === "rsa" ? { bits: 2048 } : {});
    const secret = secretOf(key);
    const options = { kind: "user", keyId: "ann", principals: ["ann"] } as const;
    const certificate = await issueCertificate(key, key.publicKey, options);
    for (const added of [{}, { lifetime: 60_000 }, { certificate }]) {
      using keyring = new Keyring();
      await using agent = await connected(keyring);
      using watch = new MemoryWatch();
      await agent.add(key, added);
      const [held] = await agent.identities();
      await held!.sign(held!.publicKey.algorithms[0]!, new Uint8Array(3));
      // The section received with the certificate, and the plain one made from it.
      assertEquals(watch.count(secret), "certificate" in added ? 2 : 1);
      await agent.remove(held!.publicKey);
      assertEquals(watch.count(secret), 0);
    }
  });
}

Deno.test("A passphrase is wiped by the client and the agent, right or wrong", async () => {
  using keyring = new Keyring();
  await using agent = await connected(keyring);
  using watch = new MemoryWatch();
  await agent.lock(WORD);
  await assertRejects(() => agent.lock(WORD), RequestDeniedError);
  await agent.unlock(WORD);
  await assertRejects(() => agent.unlock(WORD), RequestDeniedError);
  keyring.lock(WORD);
  await keyring.unlock(WORD);
  assertEquals(watch.count(word), 0);
});

Deno.test("A passphrase given as bytes is left to the caller", async () => {
  using keyring = new Keyring();
  const bytes = word.slice();
  keyring.lock(bytes);
  assertEquals(await keyring.unlock(bytes), true);
  assertEquals(bytes, word);
});

Deno.test("A key that cannot be added is wiped from memory", async () => {
  using key = await generateKey();
  using other = await generateKey();
  const secret = secretOf(key);
  const options = { kind: "user", keyId: "ann", principals: ["ann"] } as const;
  const certificate = await issueCertificate(other, other.publicKey, options);
  using watch = new MemoryWatch();
  assertThrows(() => encodeAddedKey(key, { certificate }), TypeError);
  assertThrows(() => encodeAddedKey(key, { lifetime: -5000 }), RangeError);
  assertEquals(watch.count(secret), 0);
});

Deno.test("A key with another key's certificate is refused, and wiped", async () => {
  using key = await generateKey();
  using other = await generateKey();
  const options = { kind: "user", keyId: "ann", principals: ["ann"] } as const;
  const secret = secretOf(key);
  const section = sectionFromPem(removeArmor(key.export({ format: "pkcs8" })), undefined);
  for (const holder of [key, other]) {
    const certificate = await issueCertificate(other, holder.publicKey, options);
    const request = new Writer().u8(AGENT.ADD_IDENTITY)
      .bytes(certifiedSection(section, certificate)).text("").take();
    using watch = new MemoryWatch();
    if (holder === key) decodeAddedKey(request).key[Symbol.dispose]();
    else assertThrows(() => decodeAddedKey(request), KeyFormatError, "not one of the key");
    assertEquals(watch.count(secret), 0);
  }
});

Deno.test("A frame that is cut, or cannot be written, is wiped", async () => {
  const pieces = [new Uint8Array([0, 0, 0, 99]), structuredClone(word)];
  const frames = new Frames({
    read(into) {
      const piece = pieces.shift();
      if (piece === undefined) return Promise.resolve(null);
      into.set(piece);
      return Promise.resolve(piece.length);
    },
    write: () => Promise.reject(new Error("gone")),
    closeWrite() {},
    close() {},
    localAddr: null,
    remoteAddr: null,
  });
  using watch = new MemoryWatch();
  await assertRejects(() => frames.read(), Error, "in the middle");
  await assertRejects(() => frames.write(word), Error, "gone");
  assertEquals(watch.count(word), 0);
});
