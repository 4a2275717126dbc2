/** Converts a configuration to our server's options. */
import { connectAgent } from "../../../lib/agent/client.ts";
import { algorithmsOf, limitsOf, sshdOptions } from "../../../lib/cli/serve/sshd_options.ts";
import {
  importPrivateKey,
  importPublicKey,
  RevocationList,
  type Signer,
  withCertificate,
} from "../../../lib/keys/mod.ts";
import type { ServeOptions } from "../../../lib/server/mod.ts";
import type { Values } from "./sshd_config.ts";

/** Directives that `serve -o` also accepts. */
const SHARED = [
  "Ciphers",
  "ChannelTimeout",
  "ClientAliveCountMax",
  "ClientAliveInterval",
  "Compression",
  "HostKeyAlgorithms",
  "KexAlgorithms",
  "LoginGraceTime",
  "MACs",
  "MaxAuthTries",
  "MaxSessions",
  "MaxStartups",
  "PubkeyAcceptedAlgorithms",
  "RekeyLimit",
  "UnusedConnectionTimeout",
];

/** The one value of a directive as text. */
export function textOf(values: Values, name: string): string | undefined {
  return values.get(name.toLowerCase())?.[0]?.join(" ");
}

/** All words of all lines of a directive. */
export function wordsOf(values: Values, name: string): readonly string[] {
  return values.get(name.toLowerCase())?.flat() ?? [];
}

/** Whether a directive is yes. */
export function isOn(values: Values, name: string, otherwise: boolean): boolean {
  const text = textOf(values, name);
  return text === undefined ? otherwise : /^yes$/i.test(text);
}

/** The limits and algorithms. */
export function serveSettings(values: Values): Partial<ServeOptions> {
  const options = sshdOptions(SHARED.flatMap((name) => {
    const value = textOf(values, name);
    return value === undefined ? [] : [{ name, value }];
  }));
  return { ...limitsOf(options), algorithms: algorithmsOf(options) };
}

/** The host keys with their certificates: private key files, or public keys of HostKeyAgent. */
export async function hostKeysOf(values: Values): Promise<Signer[]> {
  const socket = textOf(values, "HostKeyAgent");
  const agent = socket === undefined ? null : await connectAgent(socket);
  const held = agent === null ? [] : await agent.identities();
  const keys: Signer[] = [];
  for (const file of wordsOf(values, "HostKey")) {
    const text = await Deno.readTextFile(file).catch(() => null);
    if (text?.includes("PRIVATE KEY")) keys.push(importPrivateKey(text));
    else if (held.length > 0) {
      const shown = importPublicKey(text ?? await Deno.readTextFile(`${file}.pub`));
      const signer = held.find(({ publicKey }) => publicKey.equals(shown));
      if (signer !== undefined) keys.push(signer);
    }
  }
  for (const file of wordsOf(values, "HostCertificate")) {
    const certificate = importPublicKey(await Deno.readTextFile(file));
    const plain = certificate.certificate!.publicKey;
    const key = keys.find(({ publicKey }) => publicKey.equals(plain));
    if (key !== undefined) keys.push(withCertificate(key, certificate));
  }
  return keys;
}

/** RevokedKeys; an unreadable file revokes everything, as in sshd. */
export async function revocationsOf(values: Values): Promise<RevocationList | "all" | null> {
  const file = textOf(values, "RevokedKeys");
  if (file === undefined || file === "none") return null;
  try {
    return RevocationList.parse(await Deno.readFile(file));
  } catch {
    return "all";
  }
}
