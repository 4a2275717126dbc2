import { expandHome } from "../../runtime/local_path.ts";
import { MIN_RSA_BITS } from "../../defaults.ts";
import { type GeneratedKeyType, generateKey } from "../../keys/private_key.ts";
import { randomart } from "../../keys/randomart.ts";
import { runtime } from "../../runtime/runtime.ts";
import { UsageError } from "../shared/flags.ts";
import { type KeygenJob, makeFolder, mayWrite, newPassphrase, USAGE, writeFile } from "./job.ts";
import { ask } from "../../terminal/ask.ts";

const CURVES: ReadonlyMap<number, GeneratedKeyType> = new Map([
  [256, "ecdsa-p256"],
  [384, "ecdsa-p384"],
  [521, "ecdsa-p521"],
]);

/** Makes a key pair. */
export async function makeKey(job: KeygenJob): Promise<number> {
  const given = job.last("t") ?? "ed25519";
  const { type, name, bits } = kindOf(given, job.last("b"));
  const hash = job.fingerprintHash();
  job.exportOptions("x"); // refused before a key is made
  job.say(`Generating public/private ${given} key pair.`);
  const file = expandHome(job.last("f") ?? await defaultFile(name));
  if (!await mayWrite(file, job.log)) return USAGE;
  const passphrase = await newPassphrase(job, "Enter passphrase (empty for no passphrase): ");
  const comment = job.last("C") ??
    `${runtime.env.get("USER") ?? "root"}@${runtime.process.hostname()}`;
  using key = await generateKey(type, { comment, ...(bits !== null && { bits }) });
  const options = job.exportOptions(passphrase);
  // PEM cannot express it; ssh-keygen, too, uses its own format then.
  const own = type === "ed25519" && options.format === "pem";
  const text = key.export(own ? { ...options, format: "openssh" } : options);
  await makeFolder(file);
  await writeFile(file, text, 0o600);
  job.say(`Your identification has been saved in ${file}`);
  await writeFile(`${file}.pub`, `${key.publicKey}\n`, 0o644);
  job.say(`Your public key has been saved in ${file}.pub`);
  job.say(`The key fingerprint is:\n${key.publicKey.fingerprint(hash)} ${comment}`);
  job.say(`The key's randomart image is:\n${randomart(key.publicKey, hash)}`);
  return 0;
}

function kindOf(
  type: string,
  size: string | null,
): { type: GeneratedKeyType; name: string; bits: number | null } {
  if (size !== null && !/^\d{1,6}$/.test(size)) throw new Error(`Bits has bad value ${size}`);
  const curveBits = /^ecdsa-sha2-nistp(\d+)$/i.exec(type)?.[1];
  const bits = size === null ? null : Number(size);
  switch (curveBits === undefined ? type.toLowerCase() : "ecdsa") {
    case "ed25519":
    case "ssh-ed25519":
      return { type: "ed25519", name: "ed25519", bits: null };
    case "ecdsa": {
      const curve = CURVES.get(bits ?? Number(curveBits ?? 256));
      if (curve === undefined) {
        throw new Error(
          "Invalid ECDSA key length: valid lengths are 256, 384 or 521 bits",
        );
      }
      return { type: curve, name: "ecdsa", bits: null };
    }
    case "rsa":
    case "ssh-rsa":
    case "rsa-sha2-256":
    case "rsa-sha2-512":
      if (bits !== null && bits < MIN_RSA_BITS) {
        throw new Error(`Invalid RSA key length: minimum is ${MIN_RSA_BITS} bits`);
      }
      return { type: "rsa", name: "rsa", bits };
    default:
      throw new Error(`unknown key type ${type}`);
  }
}

async function defaultFile(name: string): Promise<string> {
  const file = expandHome(`~/.ssh/id_${name}`);
  const prompt = `Enter file in which to save the key (${file}): `;
  const answer = await ask(prompt, { echo: true });
  if (answer === null) throw new UsageError("-f is required without a terminal");
  return answer.trim() || file;
}
