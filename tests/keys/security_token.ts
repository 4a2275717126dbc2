/** A security token made of software: its keys and signatures are as OpenSSH's PROTOCOL.u2f says. */
import { digest } from "../../lib/crypto/digest.ts";
import { generateEcdsa, generateEd25519, signEcdsa, signEd25519 } from "../../lib/crypto/sign.ts";
import { parsePublicKey, type PublicKey, type Signer } from "../../lib/keys/mod.ts";
import { encodeEcdsa, encodeSignature } from "../../lib/keys/signature.ts";
import { Writer } from "../../lib/wire/writer.ts";

/** Bits of a signature's flags. */
export const PRESENT = 1;
export const VERIFIED = 4;

/** A key on the token. */
export interface TokenKey extends Signer {
  readonly publicKey: PublicKey;
  /** What the token says about the signatures that come. */
  flags: number;
}

/** Makes a key on a token. */
export function tokenKey(kind: "ed25519" | "ecdsa", application = "ssh:"): TokenKey {
  const hash = digest("SHA-256", new TextEncoder().encode(application));
  const { blob, signBytes } = kind === "ed25519" ? ed25519(application) : ecdsa(application);
  const publicKey = parsePublicKey(blob, "on a token");
  let counter = 0;
  const key: TokenKey = {
    publicKey,
    flags: PRESENT,
    sign(algorithm, data) {
      const token = { flags: key.flags, counter: ++counter };
      const signed = new Writer().bytes(hash).u8(token.flags).u32(token.counter)
        .bytes(digest("SHA-256", data)).take();
      return encodeSignature({ algorithm, bytes: signBytes(signed), token });
    },
  };
  return key;
}

interface Halves {
  readonly blob: Uint8Array;
  readonly signBytes: (data: Uint8Array) => Uint8Array;
}

function ed25519(application: string): Halves {
  const { seed, publicKey } = generateEd25519();
  return {
    blob: new Writer().text("sk-ssh-ed25519@openssh.com").string(publicKey).text(application)
      .take(),
    signBytes: (data) => signEd25519(seed, data),
  };
}

function ecdsa(application: string): Halves {
  const { scalar, point } = generateEcdsa("nistp256");
  return {
    blob: new Writer().text("sk-ecdsa-sha2-nistp256@openssh.com").text("nistp256").string(point)
      .text(application).take(),
    signBytes: (data) => encodeEcdsa(signEcdsa("nistp256", scalar, point, data)),
  };
}
