import { RevocationList } from "../../keys/krl.ts";
import { importPublicKey } from "../../keys/public_key.ts";
import { runtime } from "../../runtime/runtime.ts";
import { UsageError } from "../shared/flags.ts";
import { type KeygenJob, orMissing, print } from "./job.ts";

const SOME_REVOKED = 1;

/** `-Q`: says which keys a revocation list has; `-l` shows all of it first. */
export async function queryRevoked(job: KeygenJob): Promise<number> {
  const file = job.last("f");
  if (file === null) throw new UsageError("KRL checking requires an input file");
  const bytes = await orMissing(runtime.files.readFile(file), `Unable to load KRL ${file}`);
  const list = RevocationList.parse(bytes);
  if (job.has("l")) print(`${list}`);
  let code = 0;
  for (const path of job.rest) {
    const reading = runtime.files.readTextFile(path);
    const key = importPublicKey(await orMissing(reading, `Cannot load public key ${path}`));
    const revoked = list.isRevoked(key);
    const comment = key.comment === "" ? "" : ` (${key.comment})`;
    console.log(`${path}${comment}: ${revoked ? "REVOKED" : "ok"}`);
    if (revoked) code = SOME_REVOKED;
  }
  return code;
}
