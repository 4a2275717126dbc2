import { KeyFormatError, ProtocolError } from "../errors.ts";
import { removeArmor } from "./armor.ts";
import { OPENSSH_LABEL, opensshPublicBlob } from "./openssh_format.ts";
import { PPK_MARK, readPpk } from "./ppk_text.ts";
import { parsePublicKey, type PublicKey } from "./public_key.ts";

/**
 * The public key that a private key file shows without its passphrase, as OpenSSH's and PuTTY's formats do;
 * null if it shows none.
 */
export function publicHalf(text: string): PublicKey | null {
  try {
    if (text.trimStart().startsWith(PPK_MARK)) {
      return parsePublicKey(readPpk(text.trimStart()).publicBlob);
    }
    const { label, bytes } = removeArmor(text, "Private key", /PRIVATE KEY$/);
    if (label !== OPENSSH_LABEL) return null;
    const blob = opensshPublicBlob(bytes).slice();
    bytes.fill(0);
    return parsePublicKey(blob);
  } catch (error) {
    if (error instanceof KeyFormatError || error instanceof ProtocolError) return null;
    throw error;
  }
}
