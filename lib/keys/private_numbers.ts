import type { Curve, RsaPrivateParts } from "../crypto/sign.ts";
import { KeyFormatError } from "../errors.ts";
import { Reader } from "../wire/reader.ts";

/** The numbers of a private key, whatever its format; views of the bytes they were read from. */
export type PrivateNumbers =
  | { readonly kind: "ed25519"; readonly seed: Uint8Array; readonly point: Uint8Array }
  | {
    readonly kind: "ecdsa";
    readonly curve: Curve;
    readonly scalar: Uint8Array;
    readonly point: Uint8Array;
  }
  | { readonly kind: "rsa" } & Readonly<RsaPrivateParts>;

/** The numbers of a private section of openssh-key-v1, which was checked before. */
export function privateNumbers(section: Uint8Array): PrivateNumbers {
  const reader = new Reader(section);
  const type = reader.text();
  switch (type) {
    case "ssh-ed25519": {
      const point = reader.string();
      return { kind: "ed25519", point, seed: reader.string().subarray(0, 32) };
    }
    case "ssh-rsa": {
      const [n, e, d] = [reader.mpint(), reader.mpint(), reader.mpint()];
      const [iqmp, p, q] = [reader.mpint(), reader.mpint(), reader.mpint()];
      return { kind: "rsa", n, e, d, iqmp, p, q };
    }
    default: {
      if (!type.startsWith("ecdsa-")) throw new KeyFormatError(`A key "${type}" has no numbers`);
      const curve = reader.text() as Curve;
      return { kind: "ecdsa", curve, point: reader.string(), scalar: reader.mpint() };
    }
  }
}
