/** Keys on security tokens with our server; the test plays the token. */
import { assertEquals } from "@std/assert";
import { publicKey } from "../../mod.ts";
import { authenticateClient } from "../../lib/auth/client.ts";
import { Grant } from "../../lib/auth/grant.ts";
import { authenticateServer } from "../../lib/auth/server.ts";
import { digest } from "../../lib/crypto/digest.ts";
import { generateKey, parsePublicKey, type Signer } from "../../lib/keys/mod.ts";
import { decodeSignature } from "../../lib/keys/signature.ts";
import { Reader } from "../../lib/wire/reader.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { linkPair } from "./link_pair.ts";
import "../support/quick_refusals.ts";

const TYPE = "sk-ssh-ed25519@openssh.com";
const APPLICATION = "ssh:";
const TOUCHED = 1;
const VERIFIED = 4;

/** A token's key whose signatures contain the flags (OpenSSH PROTOCOL.u2f). */
async function token(flags: number): Promise<Signer> {
  const inside = await generateKey("ed25519");
  const reader = new Reader(inside.publicKey.blob);
  reader.text();
  const blob = new Writer().text(TYPE).string(reader.string()).text(APPLICATION).take();
  return {
    publicKey: parsePublicKey(blob),
    sign(algorithm, data) {
      const signed = new Writer()
        .bytes(digest("SHA-256", new TextEncoder().encode(APPLICATION)))
        .u8(flags).u32(7)
        .bytes(digest("SHA-256", data));
      const { bytes } = decodeSignature(inside.sign("ssh-ed25519", signed.take()));
      return new Writer().text(algorithm).string(bytes).u8(flags).u32(7).take();
    },
  };
}

async function letsIn(flags: number, answer: boolean | Grant): Promise<boolean> {
  const key = await token(flags);
  const pair = linkPair();
  const login = authenticateServer(pair.server, { policy: { publicKey: () => answer } });
  const ended = login.then(() => true, () => false);
  const methods = [publicKey(key)];
  await authenticateClient(pair.client, { user: "ann", methods }).catch((error) => {
    pair.server.die(error);
  });
  return await ended;
}

const cases: [string, number, boolean | Grant, boolean][] = [
  ["a touch", TOUCHED, true, true],
  ["no touch", 0, true, false],
  ["no touch where none is needed", 0, new Grant({ noTouchRequired: true }), true],
  ["a touch where the user must be verified", TOUCHED, new Grant({ verifyRequired: true }), false],
  ["a verified user", TOUCHED | VERIFIED, new Grant({ verifyRequired: true }), true],
  ["a touch, and a policy that refuses", TOUCHED, false, false],
];
for (const [name, flags, answer, good] of cases) {
  Deno.test(`A security key with ${name} is ${good ? "accepted" : "refused"}`, async () => {
    assertEquals(await letsIn(flags, answer), good);
  });
}
