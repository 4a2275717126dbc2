import { expandHome } from "../../runtime/local_path.ts";
import { KeyFormatError, PassphraseError } from "../../errors.ts";
import type { PrivateKeyFormat } from "../../keys/export_key.ts";
import type { FingerprintHash } from "../../keys/key.ts";
import { KEY_CIPHERS } from "../../keys/key_cipher.ts";
import { type ExportOptions, importPrivateKey, type PrivateKey } from "../../keys/private_key.ts";
import { publicHalf } from "../../keys/public_half.ts";
import { importPublicKey, type PublicKey } from "../../keys/public_key.ts";
import { isError } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/runtime.ts";
import { allValues, type Flag, hasFlag, lastValue, UsageError } from "../shared/flags.ts";
import { type Log, writeIfRead } from "../shared/log.ts";
import { ask, canAsk } from "../../terminal/ask.ts";
import { plainMessage } from "../../error_messages.ts";

/** ssh-keygen's exit codes for unusable files, and for wrong command lines. */
export const FAILURE = 255;
export const USAGE = 1;

/** One run of keygen: its command line and its output. */
export class KeygenJob {
  readonly flags: readonly Flag[];
  readonly rest: readonly string[];
  readonly log: Log;

  constructor(flags: readonly Flag[], rest: readonly string[], log: Log) {
    this.flags = flags;
    this.rest = rest;
    this.log = log;
  }

  has(name: string): boolean {
    return hasFlag(this.flags, name);
  }

  /** The value of a flag, the last one if there are several; null if there is none. */
  last(name: string): string | null {
    return lastValue(this.flags, name);
  }

  /** The values of a flag, in order. */
  all(name: string): string[] {
    return allValues(this.flags, name);
  }

  /** Prints a line on standard output, unless -q. */
  say(line: string): void {
    if (!this.has("q")) console.log(line);
  }

  /** Prints a line on standard error, unless -q. */
  note(line: string): void {
    if (!this.has("q")) this.log.info(line);
  }

  /** The file of -f; asks for it if it was not given. */
  async file(purpose: string): Promise<string> {
    const given = this.last("f");
    if (given !== null) return expandHome(given);
    const usual = expandHome("~/.ssh/id_ed25519");
    const prompt = `Enter ${purpose} (${usual}): `;
    const answer = await ask(prompt, { echo: true });
    if (answer === null) throw new UsageError("-f is required without a terminal");
    return answer.trim() || usual;
  }

  /** The hash of -E. */
  fingerprintHash(): FingerprintHash {
    const name = (this.last("E") ?? "sha256").toUpperCase();
    const known: FingerprintHash[] = ["SHA256", "SHA512", "SHA384", "SHA1", "MD5"];
    const hash = known.find((candidate) => candidate === name);
    if (hash === undefined) throw new Error(`Invalid hash algorithm "${this.last("E")}"`);
    return hash;
  }

  /** How to write a private key, from -m, -Z and -a. */
  exportOptions(passphrase: string): ExportOptions {
    const format = this.#format();
    const cipher = this.last("Z");
    if (cipher !== null && !KEY_CIPHERS.some(({ name }) => name === cipher)) {
      throw new Error(`Invalid OpenSSH-format cipher '${cipher}'`);
    }
    if (passphrase === "") return { format };
    // As in ssh-keygen, both apply only to its own format.
    const rounds = numberOf(this.last("a"), 1, 1024);
    const own = format === "openssh";
    return {
      format,
      passphrase,
      ...(own && cipher !== null && { cipher }),
      ...(own && rounds !== null && { rounds }),
    };
  }

  #format(): PrivateKeyFormat {
    const name = this.last("m")?.toUpperCase() ?? "RFC4716";
    const formats: Readonly<Record<string, PrivateKeyFormat>> = {
      RFC4716: "openssh",
      PKCS8: "pkcs8",
      PEM: "pem",
      PPK: "ppk",
    };
    const format = Object.hasOwn(formats, name) ? formats[name] : undefined;
    if (format === undefined) throw new Error(`Unsupported conversion format "${this.last("m")}"`);
    return format;
  }
}

/** A number of a flag, or null if it was not given. */
export function numberOf(text: string | null, least: number, most: number): number | null {
  if (text === null) return null;
  if (!/^\d{1,10}$/.test(text)) throw new Error(`Invalid number: ${text} (invalid)`);
  const number = Number(text);
  if (number < least) throw new Error(`Invalid number: ${text} (too small)`);
  if (number > most) throw new Error(`Invalid number: ${text} (too large)`);
  return number;
}

/** Reads a private key file; asks for the passphrase if it is needed and was not given. */
export async function openPrivateKey(file: string, given: string | null): Promise<PrivateKey> {
  const text = await runtime.files.readTextFile(file);
  try {
    try {
      return importPrivateKey(text, given ? { passphrase: given } : {});
    } catch (error) {
      if (!(error instanceof PassphraseError) || given) throw error;
      const passphrase = given === null
        ? await ask(`Enter passphrase for "${file}": `, { echo: false })
        : null;
      return importPrivateKey(text, passphrase ? { passphrase } : {});
    }
  } catch (error) {
    if (error instanceof PassphraseError) {
      const message = `Load key "${file}": incorrect passphrase supplied to decrypt private key`;
      throw new PassphraseError(message, { cause: error });
    }
    if (!(error instanceof KeyFormatError)) throw error;
    throw new KeyFormatError(`Load key "${file}": invalid format: ${plainMessage(error)}`);
  }
}

/** Waits for a file to be read; if it does not exist, throws an error with `message`. */
export async function orMissing<T>(reading: Promise<T>, message: string): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (!isError(error, "NotFound")) throw error;
    throw new Error(`${message}: No such file or directory`);
  }
}

/** Writes text to standard output. */
export function print(text: string): void {
  writeIfRead(runtime.terminal.stdout, new TextEncoder().encode(text));
}

/**
 * Reads the public key of a file: a public key, the `.pub` file of a private key, or the key inside a
 * private key, for which some formats need the passphrase.
 */
export async function readPublicKey(file: string, passphrase: string | null): Promise<PublicKey> {
  const text = await runtime.files.readTextFile(file);
  if (!isPrivate(text)) return importPublicKey(text);
  const beside = await runtime.files.readTextFile(`${file}.pub`).catch(() => null);
  if (beside !== null) return importPublicKey(beside);
  const shown = passphrase === null ? publicHalf(text) : null;
  try {
    using key = shown === null ? await openPrivateKey(file, passphrase) : importPrivateKey(text);
    return key.publicKey;
  } catch (error) {
    // Only the comment is in the encrypted part; the rest of the public key is not.
    if (shown === null || !(error instanceof PassphraseError)) throw error;
    return shown;
  }
}

/** All of standard input. */
export async function readStdin(): Promise<Uint8Array> {
  return new Uint8Array(await new Response(runtime.terminal.stdin.readable).arrayBuffer());
}

/** Reads a text file, or standard input for `-`. */
export async function readInput(file: string): Promise<string> {
  if (file !== "-") return await runtime.files.readTextFile(file);
  return new TextDecoder().decode(await readStdin());
}

/** Whether a text is a private key, in any format. */
export function isPrivate(text: string): boolean {
  return text.includes("PRIVATE KEY-----") || text.startsWith("PuTTY-User-Key-File-");
}

/** The new passphrase: from -N, or asked for twice. */
export async function newPassphrase(job: KeygenJob, prompt: string): Promise<string> {
  const given = job.last("N");
  if (given !== null) return given;
  const first = await ask(prompt, { echo: false });
  const again = await ask("Enter same passphrase again: ", { echo: false });
  if (first === null) throw new UsageError("-N is required without a terminal");
  if (first !== again) throw new UsageError("Passphrases do not match.");
  return first;
}

/** Whether a file may be written: it does not exist, or the user agrees to overwrite it. */
export async function mayWrite(file: string, log: Log): Promise<boolean> {
  const exists = await runtime.files.lstat(file).then(() => true, (error) => {
    if (isError(error, "NotFound")) return false;
    throw error;
  });
  if (!exists) return true;
  if (!canAsk()) {
    log.error(`${file} already exists.`);
    return false;
  }
  const answer = await ask(`${file} already exists.\nOverwrite (y/n)? `, { echo: true });
  return /^y(es)?$/i.test(answer?.trim() ?? "");
}

/** Writes a new file and renames it, so that readers never see a part of it or wrong permissions. */
export async function writeFile(
  file: string,
  content: string | Uint8Array,
  mode: number,
): Promise<void> {
  const fresh = `${file}.${crypto.randomUUID()}`;
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  try {
    await runtime.files.writeFile(fresh, bytes, { mode, createNew: true });
    await runtime.files.chmod(fresh, mode); // whatever the umask is
    await runtime.files.rename(fresh, file);
  } catch (error) {
    await runtime.files.remove(fresh).catch(() => {});
    throw error;
  }
}

/** Makes the folder of a file if it does not exist. */
export async function makeFolder(file: string): Promise<void> {
  await runtime.files.mkdir(runtime.paths.dirname(file), { recursive: true, mode: 0o700 });
}
