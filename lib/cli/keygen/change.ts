import { PassphraseError } from "../../errors.ts";
import type { PrivateKeyFormat } from "../../keys/private_key.ts";
import { exportPublicKey } from "../../keys/public_key.ts";
import { runtime } from "../../runtime/runtime.ts";
import { UsageError } from "../shared/flags.ts";
import { FAILURE, type KeygenJob, newPassphrase, openPrivateKey, writeFile } from "./job.ts";
import { ask } from "../../terminal/ask.ts";

/** `-p`: changes the passphrase of a private key, and its format with -m. */
export async function changePassphrase(job: KeygenJob): Promise<number> {
  const file = await job.file("file in which the key is");
  job.exportOptions("x"); // refused before the first question
  using key = await openOld(job, file);
  if (key.comment !== "") job.say(`Key has comment '${key.comment}'`);
  const prompt = "Enter new passphrase (empty for no passphrase): ";
  const passphrase = await newPassphrase(job, prompt);
  await writeFile(file, key.export(job.exportOptions(passphrase)), 0o600);
  job.say("Your identification has been saved with the new passphrase.");
  return 0;
}

/** `-c`: changes the comment of a key, in both of its files. */
export async function changeComment(job: KeygenJob): Promise<number> {
  const file = await job.file("file in which the key is");
  let passphrase = job.last("P") ?? "";
  const text = await runtime.files.readTextFile(file);
  const format: PrivateKeyFormat = /^PuTTY-User-Key-File-/.test(text) ? "ppk" : "openssh";
  if (format === "openssh" && !text.includes("BEGIN OPENSSH PRIVATE KEY")) {
    job.log.error("Comments are only supported for keys stored in the new format (-o).");
    return FAILURE;
  }
  using key = await openPrivateKey(file, job.last("P") ?? "").catch(async (error) => {
    if (!(error instanceof PassphraseError) || job.last("P") !== null) throw error;
    passphrase = await ask("Enter passphrase: ", { echo: false }) ?? "";
    return await openPrivateKey(file, passphrase);
  });
  job.say(`Old comment: ${key.comment}`);
  const comment = job.last("C") ?? await ask("New comment: ", { echo: true });
  if (comment === null) throw new UsageError("-C is required without a terminal");
  if (comment === key.comment) {
    job.say("No change to comment");
    return 0;
  }
  const options = { ...job.exportOptions(passphrase), format };
  await writeFile(file, key.export({ ...options, comment }), 0o600);
  await writeFile(`${file}.pub`, exportPublicKey(key.publicKey, { comment }), 0o644);
  job.say(comment === "" ? "Comment removed" : `Comment '${comment}' applied`);
  return 0;
}

async function openOld(job: KeygenJob, file: string) {
  try {
    return await openPrivateKey(file, job.last("P"));
  } catch (error) {
    if (!(error instanceof PassphraseError)) throw error;
    const message =
      `Failed to load key ${file}: incorrect passphrase supplied to decrypt private key`;
    throw new PassphraseError(message, { cause: error });
  }
}
