import { assert, assertEquals, assertThrows } from "@std/assert";
import { createHash } from "node:crypto";
import {
  type DirectionKeys,
  Opener,
  type RawKeys,
  Sealer,
  warmUp,
} from "../../lib/crypto/packet_cipher.ts";
import { heap } from "../../lib/crypto/wasm.ts";
import { noise } from "../support/random.ts";
import { nameOf, PROTECTED, sealOne, type Suite } from "./packets.ts";

const HASHES = ["SHA-1", "SHA-256", "SHA-384", "SHA-512"] as const;

function exchange(suite: Suite, hash: DirectionKeys["hash"], seed: number): DirectionKeys {
  return {
    cipher: suite.cipher,
    mac: suite.mac,
    compression: "none",
    hash,
    secret: noise(36, seed),
    exchangeHash: noise(32, seed + 1),
    sessionId: noise(32, seed + 2),
    direction: "client-to-server",
    resetSequence: true,
  };
}

/** RFC 4253 §7.2, implemented independently. */
function derive(suite: Suite, keys: DirectionKeys): RawKeys {
  const letters = keys.direction === "client-to-server" ? "ACE" : "BDF";
  const hash = (...parts: Uint8Array[]) => {
    const hasher = createHash(keys.hash.toLowerCase().replace("-", ""));
    for (const part of parts) hasher.update(part);
    return new Uint8Array(hasher.digest());
  };
  const expand = (letter: string, length: number) => {
    const { secret, exchangeHash, sessionId } = keys;
    const start = hash(secret, exchangeHash, new TextEncoder().encode(letter), sessionId);
    let key: Uint8Array = start;
    while (key.length < length) key = new Uint8Array([...key, ...hash(secret, exchangeHash, key)]);
    return key.slice(0, length);
  };
  return {
    cipher: suite.cipher,
    mac: suite.mac,
    iv: expand(letters[0]!, suite.iv),
    key: expand(letters[1]!, suite.key),
    macKey: expand(letters[2]!, suite.macKey),
    sequence: 0,
  };
}

for (const suite of PROTECTED) {
  Deno.test(`${nameOf(suite)}: keys are derived as RFC 4253 §7.2 says, for every hash`, () => {
    for (const hash of HASHES) {
      for (const direction of ["client-to-server", "server-to-client"] as const) {
        const keys = { ...exchange(suite, hash, 5), direction };
        using sealer = new Sealer();
        using opener = new Opener();
        sealer.rekey(keys);
        opener.setKeys(derive(suite, keys));
        opener.push(sealOne(sealer, noise(200)));
        assertEquals(opener.next(), noise(200));
      }
    }
  });
}

Deno.test("a sequence number continues across a rekey unless strict key exchange resets it", () => {
  const suite = PROTECTED[0]!;
  using sealer = new Sealer();
  using opener = new Opener();
  for (const resetSequence of [false, true, false]) {
    opener.push(sealOne(sealer, noise(10)));
    opener.push(sealOne(sealer, noise(10)));
    opener.next();
    opener.next();
    const before = sealer.sequence;
    const keys = { ...exchange(suite, "SHA-256", before), resetSequence };
    sealer.rekey(keys);
    opener.rekey(keys);
    assertEquals(sealer.sequence, resetSequence ? 0 : before);
    opener.push(sealOne(sealer, noise(33)));
    assertEquals(opener.next(), noise(33));
    assertEquals(opener.sequence, resetSequence ? 0 : before);
  }
});

Deno.test("unknown names and wrong key sizes are TypeErrors, and the old keys stay", () => {
  const suite = PROTECTED[0]!;
  using sealer = new Sealer();
  using opener = new Opener();
  sealer.rekey(exchange(suite, "SHA-256", 1));
  opener.rekey(exchange(suite, "SHA-256", 1));
  for (const bad of [{ cipher: "rot13" }, { cipher: "aes128-ctr", mac: "crc32" }]) {
    assertThrows(() => sealer.rekey({ ...exchange(suite, "SHA-256", 2), ...bad }), TypeError);
  }
  const raw = derive(suite, exchange(suite, "SHA-256", 2));
  assertThrows(() => sealer.setKeys({ ...raw, key: raw.key.subarray(1) }), TypeError);
  opener.push(sealOne(sealer, noise(10)));
  assertEquals(opener.next(), noise(10));
});

Deno.test("warming up works for every cipher, and leaks no handle", () => {
  for (const { cipher, mac } of PROTECTED) warmUp(cipher, mac);
  const before = heap().length;
  for (let round = 0; round < 50; round++) warmUp(PROTECTED[0]!.cipher, "");
  assertEquals(heap().length, before);
  assertThrows(() => warmUp("rot13", ""), TypeError);
});

for (const suite of PROTECTED) {
  Deno.test(`${nameOf(suite)}: no key is left in memory after a rekey and after dispose`, () => {
    const first = exchange(suite, "SHA-512", 100);
    const second = exchange(suite, "SHA-512", 200);
    const [sealer, opener] = [new Sealer(), new Opener()];
    const use = (keys: DirectionKeys) => {
      sealer.rekey(keys);
      opener.rekey(keys);
      for (const length of [10, 1000]) {
        opener.push(sealOne(sealer, noise(length)));
        assertEquals(opener.next(), noise(length));
      }
    };
    use(first);
    use(second);
    assertGone(suite, first);
    sealer[Symbol.dispose]();
    opener[Symbol.dispose]();
    assertGone(suite, second);
  });
}

/** Looks for K, keys and IVs anywhere in WebAssembly memory, stack and freed blocks included. */
function assertGone(suite: Suite, exchange: DirectionKeys): void {
  const raw = derive(suite, exchange);
  // The IV of CTR and CBC is not secret, but is derived with the keys and should be wiped, too.
  const secrets = { secret: exchange.secret, key: raw.key, macKey: raw.macKey, iv: raw.iv };
  const memory = heap();
  for (const [name, bytes] of Object.entries(secrets)) {
    for (let at = 0; at + 8 <= bytes.length; at += 8) {
      const found = find(memory, bytes.subarray(at, at + 8));
      assert(found < 0, `${name} at ${at} is still at address ${found}`);
    }
  }
}

function find(memory: Uint8Array, needle: Uint8Array): number {
  for (let at = memory.indexOf(needle[0]!); at >= 0; at = memory.indexOf(needle[0]!, at + 1)) {
    if (needle.every((byte, offset) => memory[at + offset] === byte)) return at;
  }
  return -1;
}
