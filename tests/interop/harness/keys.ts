/** Keys made by `ssh-keygen`, once for each test process. */
import { type KeyFile, type KeyKind, keyStore } from "../../support/keys.ts";
import { must } from "../../support/run.ts";

export { KEY_KINDS, type KeyFile, type KeyKind } from "../../support/keys.ts";

const KINDS: Readonly<Record<KeyKind, readonly string[]>> = {
  ed25519: ["-t", "ed25519"],
  ecdsa256: ["-t", "ecdsa", "-b", "256"],
  ecdsa384: ["-t", "ecdsa", "-b", "384"],
  ecdsa521: ["-t", "ecdsa", "-b", "521"],
  rsa: ["-t", "rsa", "-b", "3072"],
};

/**
 * Makes the key of a kind for a purpose, such as `"host"` or `"user"`, and returns the same key on
 * later calls.
 */
export const keyFile: (kind: KeyKind, purpose: string) => Promise<KeyFile> = keyStore(
  async (kind, comment, path) => {
    await must("ssh-keygen", ["-q", ...KINDS[kind], "-N", "", "-C", comment, "-f", path]);
  },
);

/** The host keys of the kinds, for a server of the test process. */
export async function hostKeys(
  kinds: readonly KeyKind[],
): Promise<Partial<Record<KeyKind, KeyFile>>> {
  const pairs = kinds.map(async (kind) => [kind, await keyFile(kind, "host")] as const);
  return Object.fromEntries(await Promise.all(pairs));
}
