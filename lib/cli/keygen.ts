import { dirname } from "node:path";
import { expandHome } from "../client/identity.ts";
import { KeyFormatError, PassphraseError } from "../errors.ts";
import {
  type GeneratedKeyType,
  generateKey,
  importPrivateKey,
  type PrivateKey,
} from "../keys/private_key.ts";
import { importPublicKey, type PublicKey } from "../keys/public_key.ts";
import { messageOf } from "./failure.ts";
import { type Flag, parseFlags, UsageError } from "./flags.ts";
import { keyTypeLabel } from "../keys/key_labels.ts";
import { Log } from "./log.ts";
import { randomart } from "../keys/randomart.ts";
import { ask, canAsk, InterruptedError } from "./terminal.ts";

/** What `keygen --help` prints. */
export const KEYGEN_HELP =
  `usage: keygen [-q] [-t ed25519|ecdsa|rsa] [-b bits] [-f file] [-N passphrase] [-C comment]
       keygen -y [-f file] [-P passphrase]     print the public key of a private one
       keygen -l [-v] [-f file]                print fingerprints, and pictures with -v
`;

/** What ssh-keygen answers for files that it cannot use, and for what it was told wrongly. */
const FAILURE = 255;
const USAGE = 1;

/**
 * `keygen`: makes keys and shows them, as `ssh-keygen` does.
 *
 * @returns The exit code
 */
export async function keygen(args: readonly string[]): Promise<number> {
  const log = new Log();
  try {
    const { flags, rest } = parseFlags(args, { letters: "qlyvt:b:f:N:P:C:" });
    if (rest.length > 0) throw new UsageError(`Too many arguments: "${rest[0]}"`);
    const has = (name: string) => flags.some((flag) => flag.name === name);
    if (has("l")) return await list(flags, log);
    if (has("y")) return await showPublic(flags);
    return await make(flags, log);
  } catch (error) {
    if (error instanceof InterruptedError) return 130;
    log.error(error instanceof UsageError ? error.message : messageOf(error));
    return error instanceof UsageError || error instanceof RangeError ? USAGE : FAILURE;
  }
}

function last(flags: readonly Flag[], name: string): string | null {
  return flags.findLast((flag) => flag.name === name)?.value ?? null;
}

async function make(flags: readonly Flag[], log: Log): Promise<number> {
  const { type, name, bits } = kindOf(last(flags, "t") ?? "ed25519", last(flags, "b"));
  const quiet = last(flags, "q") !== null;
  const say = (line: string) => quiet || console.log(line);
  say(`Generating public/private ${name} key pair.`);
  const file = expandHome(last(flags, "f") ?? await defaultFile(name));
  if (!await mayWrite(file, log)) return USAGE;
  const passphrase = last(flags, "N") ?? await newPassphrase();
  const comment = last(flags, "C") ?? `${Deno.env.get("USER") ?? "root"}@${Deno.hostname()}`;
  using key = await generateKey(type, { comment, ...(bits !== null && { bits }) });
  const text = key.export(passphrase === "" ? {} : { passphrase });
  await Deno.mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await write(file, text, 0o600);
  say(`Your identification has been saved in ${file}`);
  await write(`${file}.pub`, `${key.publicKey}\n`, 0o644);
  say(`Your public key has been saved in ${file}.pub`);
  say(`The key fingerprint is:\n${key.publicKey.fingerprint()} ${comment}`);
  say(`The key's randomart image is:\n${randomart(key.publicKey)}`);
  return 0;
}

function kindOf(
  type: string,
  size: string | null,
): { type: GeneratedKeyType; name: string; bits: number | null } {
  if (size !== null && !/^\d{1,6}$/.test(size)) throw new UsageError(`Bits has bad value ${size}`);
  const bits = size === null ? null : Number(size);
  switch (type.toLowerCase()) {
    case "ed25519":
      return { type: "ed25519", name: "ed25519", bits: null };
    case "ecdsa":
      if (bits !== null && bits !== 256 && bits !== 384) {
        throw new UsageError("Invalid ECDSA key length: valid lengths are 256 or 384 bits");
      }
      return { type: bits === 384 ? "ecdsa-p384" : "ecdsa-p256", name: "ecdsa", bits: null };
    case "rsa":
      return { type: "rsa", name: "rsa", bits };
    default:
      throw new UsageError(`unknown key type ${type}`);
  }
}

async function defaultFile(name: string): Promise<string> {
  const file = expandHome(`~/.ssh/id_${name}`);
  const prompt = `Enter file in which to save the key (${file}): `;
  const answer = await ask(prompt, { echo: true });
  if (answer === null) throw new UsageError("-f is needed, since there is nobody to ask");
  return answer.trim() || file;
}

async function mayWrite(file: string, log: Log): Promise<boolean> {
  const exists = await Deno.lstat(file).then(() => true, (error) => {
    if (error instanceof Deno.errors.NotFound) return false;
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

async function newPassphrase(): Promise<string> {
  const first = await ask("Enter passphrase (empty for no passphrase): ", { echo: false });
  const again = await ask("Enter same passphrase again: ", { echo: false });
  if (first === null) throw new UsageError("-N is needed, since there is nobody to ask");
  if (first !== again) throw new UsageError("Passphrases do not match.");
  return first;
}

/** Written beside and moved into place: no key is ever half there, or readable for a moment. */
async function write(file: string, text: string, mode: number): Promise<void> {
  const fresh = `${file}.${crypto.randomUUID()}`;
  try {
    await Deno.writeTextFile(fresh, text, { mode, createNew: true });
    await Deno.chmod(fresh, mode); // whatever the umask is
    await Deno.rename(fresh, file);
  } catch (error) {
    await Deno.remove(fresh).catch(() => {});
    throw error;
  }
}

async function showPublic(flags: readonly Flag[]): Promise<number> {
  const file = expandHome(last(flags, "f") ?? "~/.ssh/id_ed25519");
  using key = await open(file, last(flags, "P"));
  console.log(`${key.publicKey}`);
  return 0;
}

async function open(file: string, given: string | null): Promise<PrivateKey> {
  const text = await Deno.readTextFile(file);
  try {
    try {
      return importPrivateKey(text, given ? { passphrase: given } : {});
    } catch (error) {
      if (!(error instanceof PassphraseError) || given !== null) throw error;
      const passphrase = await ask("Enter passphrase: ", { echo: false });
      return importPrivateKey(text, passphrase ? { passphrase } : {});
    }
  } catch (error) {
    if (error instanceof PassphraseError) {
      const message = `Load key "${file}": incorrect passphrase supplied to decrypt private key`;
      throw new PassphraseError(message, { cause: error });
    }
    if (!(error instanceof KeyFormatError)) throw error;
    throw new KeyFormatError(`Load key "${file}": invalid format: ${error.message}`);
  }
}

async function list(flags: readonly Flag[], log: Log): Promise<number> {
  const file = expandHome(last(flags, "f") ?? "~/.ssh/id_ed25519");
  const keys = await publicKeys(file);
  if (keys.length === 0) {
    log.error(`${file} is not a public key file.`);
    return FAILURE;
  }
  for (const key of keys) {
    const comment = key.comment || "no comment";
    console.log(`${key.bits} ${key.fingerprint()} ${comment} (${keyTypeLabel(key)})`);
    if (last(flags, "v") !== null) console.log(randomart(key));
  }
  return 0;
}

/** The keys of a public key file, an authorized_keys or known_hosts file, or a private key. */
async function publicKeys(file: string): Promise<PublicKey[]> {
  const text = await Deno.readTextFile(file);
  if (text.includes("PRIVATE KEY-----")) {
    const beside = await Deno.readTextFile(`${file}.pub`).catch(() => null);
    if (beside !== null) return [importPublicKey(beside)];
    using key = await open(file, null);
    return [key.publicKey];
  }
  return text.split("\n").map(keyOfLine).filter((key) => key !== null);
}

/** Wherever in the line the key is: options or host names may stand before it. */
function keyOfLine(line: string): PublicKey | null {
  if (line.trimStart().startsWith("#")) return null;
  const match = /(?:^|\s)((?:ssh|ecdsa|sk)-\S+\s+AAAA\S+.*)$/.exec(line);
  try {
    return match && importPublicKey(match[1]!);
  } catch (error) {
    if (error instanceof KeyFormatError) return null;
    throw error;
  }
}
