import type { PublicKey } from "../keys/public_key.ts";

/** What people call a key's type, as `ssh-keygen -l` writes it: `ED25519`, `ECDSA` or `RSA`. */
export function keyTypeLabel(key: PublicKey): string {
  return key.type.replace(/^ssh-/, "").replace(/^ecdsa-.*/, "ecdsa").toUpperCase();
}
