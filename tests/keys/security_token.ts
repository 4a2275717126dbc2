/** A security token in software, with keys and signatures after OpenSSH's PROTOCOL.u2f. */
import { Buffer } from "node:buffer";
import { digest } from "../../lib/crypto/digest.ts";
import { generateEcdsa, generateEd25519, signEcdsa, signEd25519 } from "../../lib/crypto/sign.ts";
import { parsePublicKey, type PublicKey, type Signer } from "../../lib/keys/mod.ts";
import { encodeEcdsa, encodeSignature } from "../../lib/keys/signature.ts";
import { WEBAUTHN_ECDSA } from "../../lib/keys/webauthn.ts";
import { Writer } from "../../lib/wire/writer.ts";

/** Bits of a signature's flags. */
export const PRESENT = 1;
export const VERIFIED = 4;

/** A key on the token. */
export interface TokenKey extends Signer {
  readonly publicKey: PublicKey;
  /** The flags and counter of the next signatures. */
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

/** The data of a browser and its token; correct unless given. */
export interface BrowserClaims {
  readonly flags?: number;
  /** The site that the signature names. */
  readonly origin?: string;
  /** The browser's complete client data. */
  readonly clientData?: string;
  readonly extensions?: Uint8Array;
}

/** A key on a token used through a browser (W3C Web Authentication), with only the browser's algorithm. */
export function browserKey(claims: BrowserClaims = {}): Signer {
  const application = "example.org";
  const { blob, signBytes } = ecdsa(application);
  const { flags = PRESENT, origin = "https://example.org" } = claims;
  const { extensions = new Uint8Array(0) } = claims;
  const encode = (text: string) => new TextEncoder().encode(text);
  // An ordinary key except for its list of algorithms, which decides how a client offers it.
  const publicKey: PublicKey = Object.create(parsePublicKey(blob), {
    algorithms: { value: [WEBAUTHN_ECDSA] },
  });
  return {
    publicKey,
    sign(algorithm, data) {
      const challenge = Buffer.from(data).toString("base64url");
      const clientData = encode(
        claims.clientData?.replace("CHALLENGE", challenge) ??
          `{"type":"webauthn.get","challenge":"${challenge}","origin":"${origin}","crossOrigin":false}`,
      );
      const signed = new Writer().bytes(digest("SHA-256", encode(application))).u8(flags).u32(5)
        .bytes(extensions).bytes(digest("SHA-256", clientData)).take();
      const browser = { origin: encode(origin), clientData, extensions };
      const token = { flags, counter: 5, browser };
      return encodeSignature({ algorithm, bytes: signBytes(signed), token });
    },
  };
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
