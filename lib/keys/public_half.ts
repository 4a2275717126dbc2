import { wiping } from "../crypto/wiping.ts";
import { KeyFormatError, ProtocolError } from "../errors.ts";
import { removeArmor } from "./armor.ts";
import { OPENSSH_LABEL, opensshPublicBlob } from "./openssh_format.ts";
import { PPK_MARK, readPpk } from "./ppk_text.ts";
import { parsePublicKey, type PublicKey } from "./public_key.ts";

/**
 * The public key in a private key file that can be read without a passphrase, as in OpenSSH's and PuTTY's
 * formats; null if the format has none.
 */
export function publicHalf(text: string): PublicKey | null {
  try {
    if (text.trimStart().startsWith(PPK_MARK)) {
      const { publicBlob, privateBlob } = readPpk(text.trimStart());
      privateBlob.fill(0);
      return parsePublicKey(publicBlob);
    }
    const { label, bytes } = removeArmor(text, "Private key", /PRIVATE KEY$/);
    return wiping(
      bytes,
      () => label === OPENSSH_LABEL ? parsePublicKey(opensshPublicBlob(bytes)) : null,
    );
  } catch (error) {
    if (error instanceof KeyFormatError || error instanceof ProtocolError) return null;
    throw error;
  }
}
