import { RevocationList } from "../../keys/krl.ts";
import { importPublicKey } from "../../keys/public_key.ts";
import { isError } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/runtime.ts";
import { UsageError } from "../shared/flags.ts";
import type { KeygenJob } from "./job.ts";
import { writeIfRead } from "../shared/log.ts";

const SOME_REVOKED = 1;

/** `-Q`: says which keys a revocation list has; `-l` shows all of it first. */
export async function queryRevoked(job: KeygenJob): Promise<number> {
  const file = job.last("f");
  if (file === null) throw new UsageError("KRL checking requires an input file");
  const bytes = await runtime.files.readFile(file).catch((error) => {
    if (!isError(error, "NotFound")) throw error;
    throw new Error(`Unable to load KRL ${file}: No such file or directory`);
  });
  const list = RevocationList.parse(bytes);
  if (job.has("l")) writeIfRead(runtime.terminal.stdout, new TextEncoder().encode(`${list}`));
  let code = 0;
  for (const path of job.rest) {
    const text = await runtime.files.readTextFile(path).catch((error) => {
      if (!isError(error, "NotFound")) throw error;
      throw new Error(`Cannot load public key ${path}: No such file or directory`);
    });
    const key = importPublicKey(text);
    const revoked = list.isRevoked(key);
    const comment = key.comment === "" ? "" : ` (${key.comment})`;
    console.log(`${path}${comment}: ${revoked ? "REVOKED" : "ok"}`);
    if (revoked) code = SOME_REVOKED;
  }
  return code;
}
