/** For any input of a peer, the core returns a payload or throws a ProtocolError; it never traps. */

import { assert, assertEquals } from "@std/assert";
import { ProtocolError } from "../../lib/errors.ts";
import { Opener, Sealer } from "../../lib/crypto/packet_cipher.ts";
import { verifyEcdsa, verifyEd25519, verifyRsa } from "../../lib/crypto/sign.ts";
import { core } from "../../lib/crypto/wasm.ts";
import { fuzzTest, LONG, noise } from "../support/random.ts";
import { drain, keysFor, nameOf, SUITES } from "./packets.ts";

for (const suite of SUITES) {
  fuzzTest(`${nameOf(suite)}: damaged streams end in a ProtocolError`, (random) => {
    for (let round = 0; round < 60 * LONG; round++) {
      using sealer = new Sealer();
      using opener = new Opener();
      sealer.setKeys(keysFor(suite));
      opener.setKeys(keysFor(suite));
      const payloads = Array.from({ length: 6 }, (_, at) => noise(1 + random(600), at));
      const ends = payloads.map((payload) => {
        sealer.sealPayload(payload);
        return sealer.pending;
      });
      const wire = drain(sealer);
      const damaged = random(wire.length);
      wire[damaged]! ^= 1 + random(255);
      const intact = ends.filter((end) => end <= damaged).length;
      const opened: Uint8Array[] = [];
      let failed = false;
      for (let at = 0; at < wire.length && !failed;) {
        const step = 1 + random(400);
        opener.push(wire.subarray(at, at + step));
        at += step;
        try {
          for (let next; (next = opener.next()) !== null;) opened.push(next.slice());
        } catch (error) {
          assert(error instanceof ProtocolError, `${error}`);
          failed = true;
        }
      }
      assertEquals(opened.slice(0, intact), payloads.slice(0, intact));
      if (suite.cipher !== "none") assertEquals(opened.length, intact);
    }
  });

  fuzzTest(`${nameOf(suite)}: random bytes never trap`, (random) => {
    for (let round = 0; round < 100 * LONG; round++) {
      using opener = new Opener({ maxPacket: 1 + random(5000) });
      opener.setKeys(keysFor(suite, random(2 ** 32)));
      try {
        for (let push = 0; push < 8; push++) {
          const bytes = noise(random(900), random(2 ** 30));
          // Small lengths, so that the bytes reach the MAC check.
          if (push === 0 && bytes.length > 4) bytes.set([0, 0, random(4), random(256) & 0xf0]);
          opener.push(bytes);
          while (opener.next() !== null);
        }
      } catch (error) {
        assert(error instanceof ProtocolError, `${error}`);
      }
    }
  });
}

fuzzTest(`arguments of any length are refused or answered, never a trap`, (random) => {
  const some = () => noise(random(3) === 0 ? random(4) : random(2100), random(2 ** 30));
  const ciphers = ["aes128-ctr", "aes256-cbc", "aes256-gcm@openssh.com", "3des-cbc", "des-cbc"];
  for (let round = 0; round < 150 * LONG; round++) {
    for (const cipher of [...ciphers, "chacha20-poly1305@openssh.com", ""]) {
      core().crypt(cipher, some(), some(), some(), round % 2 === 0);
    }
    for (
      const name of [
        "x25519",
        "nistp256",
        "nistp384",
        "nistp521",
        "mlkem768x25519",
        "sntrup761x25519",
        "",
      ]
    ) {
      core().agree(name, some(), some());
      core().respond(name, some());
    }
    core().respond_in_group(some().subarray(0, 40), some(), some());
    core().mlkem_encapsulate(some(), some());
    core().sntrup761_decapsulate(some(), some());
    core().mlkem_decapsulate(some(), some());
    assert(!verifyEd25519(some(), some(), some()));
    assert(!verifyEcdsa("nistp256", some(), some(), some(), some()));
    assert(!verifyEcdsa("nistp384", some(), some(), some(), some()));
    assert(!verifyEcdsa("nistp521", some(), some(), some(), some()));
    assert(!verifyRsa("SHA-512", some(), some(), some(), some()));
    core().sign_ecdsa("nistp256", some(), some(), some());
    core().sign_ecdsa("nistp521", some(), some(), some());
    core().sign_ed25519(some(), some());
    core().argon2("argon2id", some(), some(), random(80), random(2), random(3), random(70));
    core().bcrypt_pbkdf(some(), some(), random(2), random(70));
  }
  for (let round = 0; round < 10 * LONG; round++) {
    const part = () => noise(random(300), random(2 ** 30));
    const key = [part(), part(), part(), part(), part(), part()] as const;
    for (const hash of ["SHA-512", "SHA-1"]) {
      assertEquals(core().sign_rsa(hash, ...key, part()), undefined);
    }
  }
});
