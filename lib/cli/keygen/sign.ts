import { userAgentPath } from "../../agent/agent_path.ts";
import { connectAgent } from "../../agent/client.ts";
import { expandHome } from "../../runtime/local_path.ts";
import { KeyFormatError, SignatureError } from "../../errors.ts";
import { AllowedSigners } from "../../keys/allowed_signers.ts";
import { withCertificate } from "../../keys/certificate.ts";
import { keyTypeLabel } from "../../keys/key_labels.ts";
import { RevocationList } from "../../keys/krl.ts";
import { importPublicKey, type PublicKey } from "../../keys/public_key.ts";
import {
  type MessageHash,
  type MessageSignature,
  readSignature,
  signMessage,
  verifyMessage,
} from "../../keys/sshsig.ts";
import { parseTimestamp } from "../../keys/timestamp.ts";
import { isError } from "../../runtime/errors.ts";
import { runtime } from "../../runtime/runtime.ts";
import { messageOf } from "../shared/failure.ts";
import { UsageError } from "../shared/flags.ts";
import {
  FAILURE,
  isPrivate,
  type KeygenJob,
  mayWrite,
  openPrivateKey,
  orMissing,
  print,
  readStdin,
  writeFile,
} from "./job.ts";
import { agentSigner, type OpenSigner, signerOf } from "./signers.ts";

/** ssh-keygen's exit code if no line of the file matches the name. */
const NOT_FOUND = 210;

interface SignatureOptions {
  readonly hash: MessageHash;
  readonly now: Date;
  readonly printPublicKey: boolean;
}

/** `-Y`: signs files and verifies signatures. */
export async function signatures(job: KeygenJob): Promise<number> {
  const operation = job.last("Y")!;
  const options = optionsOf(job);
  switch (operation) {
    case "sign":
      return await sign(job, options);
    case "verify":
      return await verify(job, options);
    case "check-novalidate":
      return await checkAlone(job, options);
    case "find-principals":
      return await findPrincipals(job, options);
    case "match-principals":
      return await matchPrincipals(job);
    default:
      throw new UsageError(`Unsupported operation for -Y: "${operation}"`);
  }
}

function optionsOf(job: KeygenJob): SignatureOptions {
  let hash = "sha512";
  let now = new Date();
  let printPublicKey = false;
  for (const option of job.all("O")) {
    const [, name, value] = /^([a-z-]+)(?:=(.*))?$/s.exec(option) ?? [];
    if (name === "hashalg" && value !== undefined) hash = value;
    else if (name === "verify-time" && value !== undefined) {
      const time = parseTimestamp(value);
      if (time === null) throw new Error(`Invalid "verify-time" option`);
      now = time;
    } else if (name === "print-pubkey" && value === undefined) printPublicKey = true;
    else throw new Error(`Invalid option "${option}"`);
  }
  return { hash: hash as MessageHash, now, printPublicKey };
}

function needed(job: KeygenJob, flag: string, what: string): string {
  const value = job.last(flag);
  if (value) return value;
  throw new UsageError(`Too few arguments for ${job.last("Y")}: missing ${what}`);
}

async function sign(job: KeygenJob, { hash }: SignatureOptions): Promise<number> {
  const namespace = needed(job, "n", "namespace");
  await using key = await openSigner(job, expandHome(needed(job, "f", "key")));
  const signed = async (message: Uint8Array, name: string) => {
    try {
      return await signMessage(key.signer, message, { namespace, hash });
    } catch (error) {
      throw new Error(`Signing ${name} failed: ${messageOf(error)}`, { cause: error });
    }
  };
  if (job.rest.length > 1 && job.rest.includes("-")) {
    throw new Error("Cannot sign mix of paths and standard input");
  }
  if (job.rest.length === 0 || job.rest[0] === "-") {
    job.note("Signing data on standard input");
    const text = await signed(await readStdin(), "(stdin)");
    print(text);
    return 0;
  }
  for (const file of job.rest) {
    job.note(`Signing file ${file}`);
    const message = await orMissing(
      runtime.files.readFile(file),
      `Cannot open ${file} for signing`,
    );
    const text = await signed(message, file);
    if (!await mayWrite(`${file}.sig`, job.log)) return 0;
    await writeFile(`${file}.sig`, text, 0o644);
    job.note(`Write signature to ${file}.sig`);
  }
  return 0;
}

async function verify(job: KeygenJob, options: SignatureOptions): Promise<number> {
  const namespace = needed(job, "n", "namespace");
  const principal = needed(job, "I", "principal identity");
  const signersFile = needed(job, "f", "allowed keys file");
  const file = needed(job, "s", "signature file");
  return await reporting(job, options, async () => {
    const signature = verifyMessage(await readText(file), await readStdin(), expected(namespace));
    const { publicKey } = signature;
    AllowedSigners.parse(await readText(signersFile)).check(signature, principal, options.now);
    const revoked = job.last("r");
    if (revoked !== null) {
      const list = RevocationList.parse(await runtime.files.readFile(revoked));
      if (list.isRevoked(publicKey)) throw new SignatureError("signer", "Signing key is revoked");
    }
    return { signature, who: ` for ${principal}` };
  });
}

async function checkAlone(job: KeygenJob, options: SignatureOptions): Promise<number> {
  const namespace = needed(job, "n", "namespace");
  const file = needed(job, "s", "signature file");
  return await reporting(job, options, async () => ({
    signature: verifyMessage(await readText(file), await readStdin(), expected(namespace)),
    who: "",
  }));
}

/** Requirements of a signature; as in ssh-keygen, the touch of a token is not required. */
function expected(namespace: string): Parameters<typeof verifyMessage>[2] {
  return { namespace, noTouchRequired: true };
}

async function reporting(
  job: KeygenJob,
  { printPublicKey }: SignatureOptions,
  check: () => Promise<{ signature: MessageSignature; who: string }>,
): Promise<number> {
  try {
    const { signature: { publicKey, namespace }, who } = await check();
    const key = `${keyTypeLabel(publicKey)} key ${publicKey.fingerprint()}`;
    job.say(`Good "${namespace}" signature${who} with ${key}`);
    if (printPublicKey) console.log(`${publicKey}`);
    return 0;
  } catch (error) {
    job.note(messageOf(error));
    job.say("Could not verify signature.");
    return FAILURE;
  }
}

async function findPrincipals(job: KeygenJob, { now }: SignatureOptions): Promise<number> {
  const file = needed(job, "s", "signature file");
  const signersFile = needed(job, "f", "allowed keys file");
  const signature = readSignature(await readText(file));
  const found = AllowedSigners.parse(await readText(signersFile)).findPrincipals(signature, now);
  return report(job, found, FAILURE);
}

async function matchPrincipals(job: KeygenJob): Promise<number> {
  const signersFile = needed(job, "f", "allowed keys file");
  const principal = needed(job, "I", "principal ID");
  const signers = AllowedSigners.parse(await readText(signersFile));
  return report(job, signers.matchPrincipals(principal), NOT_FOUND);
}

function report(job: KeygenJob, principals: readonly string[], otherwise: number): number {
  for (const principal of principals) console.log(principal);
  if (principals.length > 0) return 0;
  job.note("No principal matched.");
  return otherwise;
}

/**
 * The signer for a file: a private key, or the private key of a public one, from the agent or from the file
 * without `.pub`.
 */
async function openSigner(job: KeygenJob, file: string): Promise<OpenSigner> {
  const text = await readText(file);
  if (isPrivate(text)) return signerOf(await openPrivateKey(file, job.last("P")));
  const shown = importPublicKey(text);
  const held = await inAgent(shown);
  if (held !== null) return held;
  const half = file.replace(shown.certificate ? /-cert\.pub$/ : /\.pub$/, "");
  if (half === file) throw new KeyFormatError(`No private key found for public key "${file}"`);
  const key = await openPrivateKey(half, job.last("P")).catch((error) => {
    if (!isError(error, "NotFound")) throw error;
    throw new KeyFormatError(`No private key found for public key "${file}"`);
  });
  return signerOf(key, shown.certificate ? withCertificate(key, shown) : key);
}

async function inAgent(key: PublicKey): Promise<OpenSigner | null> {
  const path = userAgentPath();
  if (path === null) return null;
  const agent = await connectAgent(path).catch(() => null);
  return agent && await agentSigner(agent, key);
}

async function readText(file: string): Promise<string> {
  return await runtime.files.readTextFile(file);
}
