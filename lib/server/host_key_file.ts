import { generateKey, importPrivateKey, type PrivateKey } from "../keys/private_key.ts";
import type { GeneratedKeyType } from "../keys/generate.ts";
import { loadKey } from "../login/load_key.ts";
import { isError } from "../runtime/errors.ts";
import { expandHome } from "../runtime/local_path.ts";
import { runtime } from "../runtime/runtime.ts";
import { writeAll } from "../runtime/write_all.ts";

/** Options for the key that {@linkcode hostKeyFile} creates. */
export interface HostKeyFileOptions {
  /** The type of a new key; `"ed25519"` by default. */
  readonly type?: GeneratedKeyType;
  /** The comment of a new key. */
  readonly comment?: string;
}

/**
 * Loads a server's key from a file. A missing file is created, readable only by its owner; several
 * servers that start at the same time all get the same key.
 *
 * Needs `--allow-read` for the file, and `--allow-write` for its folder to create it.
 *
 * @param path The file; `~/` is the home directory
 * @throws {KeyFormatError} If the file is not a private key
 * @throws {PassphraseError} If the key is encrypted
 *
 * @example
 * ```ts
 * import { hostKeyFile, serve } from "@denossh/ssh/server";
 * import { mkdtemp, rm } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 *
 * const folder = await mkdtemp(`${tmpdir()}/server-`);
 * await using _server = serve({
 *   port: 0,
 *   hostname: "127.0.0.1",
 *   hostKeys: [await hostKeyFile(`${folder}/host_key`)],
 *   auth: { none: () => true },
 * }, (session) => session.print("hello\n"));
 * await rm(folder, { recursive: true });
 * ```
 */
export async function hostKeyFile(
  path: string,
  { type = "ed25519", comment = "" }: HostKeyFileOptions = {},
): Promise<PrivateKey> {
  const { files } = runtime;
  const file = expandHome(path);
  const known = await readKey(file);
  if (known !== null) return known;
  using made = await generateKey(type, { comment });
  const fresh = `${file}.${crypto.randomUUID()}`;
  try {
    {
      using open = await files.open(fresh, { write: true, createNew: true, mode: 0o600 });
      await writeAll(open, new TextEncoder().encode(made.export()));
      await open.sync();
    }
    // Unlike a rename, this keeps a key that another server has created in the meantime.
    await files.link(fresh, file);
  } catch (error) {
    if (!isError(error, "AlreadyExists")) throw error;
  } finally {
    await files.remove(fresh).catch(() => {});
  }
  return await readKey(file) ?? importPrivateKey(made.export());
}

async function readKey(path: string): Promise<PrivateKey | null> {
  try {
    return await loadKey(path);
  } catch (error) {
    if (isError(error, "NotFound")) return null;
    throw error;
  }
}
