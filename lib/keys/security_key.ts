import { digest } from "../crypto/digest.ts";
import { verifyEcdsa, verifyEd25519 } from "../crypto/sign.ts";
import { KeyFormatError } from "../errors.ts";
import type { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";
import { checkedPoint } from "./ecdsa.ts";
import { ed25519Point, SIGNATURE_BYTES } from "./ed25519.ts";
import type { VerifyOptions } from "./key.ts";
import type { KeyType, PublicParts } from "./key_type.ts";
import { decodeEcdsa, type Signature, type TokenMarks } from "./signature.ts";
import { isAskedFor, WEBAUTHN_ECDSA } from "./webauthn.ts";

// WebAuthn §6.1, "authenticator data".
const USER_PRESENT = 0x01;
const USER_VERIFIED = 0x04;

/** Longest application accepted, in bytes; real ones are short, such as `"ssh:"`. */
const MAX_APPLICATION = 1024;

/** Ed25519 on a security token (OpenSSH PROTOCOL.u2f). */
export const skEd25519: KeyType = {
  name: "sk-ssh-ed25519@openssh.com",
  algorithms: ["sk-ssh-ed25519@openssh.com"],

  readPublic(reader) {
    const point = ed25519Point(reader);
    return tokenParts(
      readApplication(reader),
      (signed, { bytes }) =>
        bytes.length === SIGNATURE_BYTES && verifyEd25519(point, signed, bytes),
    );
  },

  readPrivate: refusePrivate,
};

/** ECDSA on a security token (OpenSSH PROTOCOL.u2f). */
export const skEcdsa: KeyType = {
  name: "sk-ecdsa-sha2-nistp256@openssh.com",
  algorithms: ["sk-ecdsa-sha2-nistp256@openssh.com"],
  foreignAlgorithms: [WEBAUTHN_ECDSA],

  readPublic(reader) {
    if (reader.text() !== "nistp256") {
      throw new KeyFormatError("Key on a token is on no known curve");
    }
    const point = checkedPoint("nistp256", reader.string());
    return tokenParts(readApplication(reader), (signed, { bytes }) => {
      const { r, s } = decodeEcdsa(bytes);
      return verifyEcdsa("nistp256", point, signed, r, s);
    });
  },

  readPrivate: refusePrivate,
};

function tokenParts(
  application: Uint8Array,
  holds: (signed: Uint8Array, signature: Signature) => boolean,
): PublicParts {
  const applicationHash = digest("SHA-256", application);
  return {
    bits: 256,
    verify(_algorithm, data, signature, options) {
      const { token } = signature;
      if (token === null || !suffices(token, options)) return false;
      const { flags, counter, browser } = token;
      if (browser && !isAskedFor(data, browser, flags)) return false;
      // PROTOCOL.u2f: the hash of the application, flags, counter, the hash of the message, which a
      // browser wraps.
      const signed = new Writer().bytes(applicationHash).u8(flags).u32(counter)
        .bytes(browser?.extensions ?? new Uint8Array(0))
        .bytes(digest("SHA-256", browser?.clientData ?? data));
      return holds(signed.take(), signature);
    },
  };
}

function suffices(
  { flags }: TokenMarks,
  { noTouchRequired = false, verifyRequired = false }: VerifyOptions,
): boolean {
  return (noTouchRequired || (flags & USER_PRESENT) !== 0) &&
    (!verifyRequired || (flags & USER_VERIFIED) !== 0);
}

function readApplication(reader: Reader): Uint8Array {
  const application = reader.string();
  if (application.length > MAX_APPLICATION) {
    throw new KeyFormatError("Key on a token has an application that is too long");
  }
  return application;
}

function refusePrivate(): never {
  throw new KeyFormatError("Private key is on a security token: the file has only its handle");
}
