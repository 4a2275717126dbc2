/** Checks the options of `connect()`. */
import { ALGORITHM_CHECKS } from "../crypto/suite_checks.ts";
import {
  abortSignal,
  anything,
  callback,
  checkOptions,
  count,
  either,
  milliseconds,
  mustBe,
  nested,
  object,
  oneOf,
  type OptionCheck,
  type OptionChecks,
  shown,
  text,
  textRecord,
} from "../option_checks.ts";
import type { ConnectOptions } from "./options.ts";
import { RESILIENT_CHECK } from "./resilience.ts";

/** A public key line or a fingerprint, not a path. */
const KEY_TEXT = /^(SHA256:|[\w@.-]+ [A-Za-z0-9+/]+=*)/;

const OPTIONS: OptionChecks<ConnectOptions> = {
  hostname: text,
  port: anything, // its range has a separate message
  user: text,
  auth: credentials,
  hostKeys: (value) =>
    typeof value === "string" && !KEY_TEXT.test(value)
      ? `is neither a key nor a fingerprint: for a file write knownHosts(${JSON.stringify(value)})`
      : mustBe("a policy, a function, a key or several", (value) => /^[sof]/.test(typeof value))(
        value,
      ),
  config: anything,
  algorithms: either(oneOf("strict"), nested("algorithms", ALGORITHM_CHECKS)),
  signal: abortSignal,
  timeout: milliseconds,
  keepaliveInterval: milliseconds,
  keepaliveCount: count,
  connections: mustBe("a whole number of 1 to 64", isConnectionCount),
  resilient: RESILIENT_CHECK,
  channelTimeouts: object,
  rekey: object,
  window: anything,
  hostKeyAlias: text,
  versionAddendum: text,
  tcp: object,
  proxyCommand: text,
  transport: either(
    callback,
    mustBe(
      "a pair of streams, readable and writable",
      (value) => object(value) === null && "readable" in (value as object),
    ),
  ),
  jump: either(
    text,
    mustBe("a host, options, a client or an array of them", (value) => object(value) === null),
  ),
  controlPath: either(text, mustBe("a path or false", (value) => value === false)),
  onNote: callback,
  env: textRecord,
  onBanner: callback,
  trace: callback,
};

/** Options of other libraries for credentials, with what to write instead. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  password: 'auth: [password("…")]',
  passphrase: 'auth: [publicKey(await loadKey("…", { passphrase }))]',
  privateKey: "auth: [publicKey(importPrivateKey(text))]",
  agent: "auth: [agent()]",
};

/** @throws {TypeError} If an option has an unknown name, or an invalid value */
export function checkConnectOptions(options: ConnectOptions): void {
  for (const [name, instead] of Object.entries(ELSEWHERE)) {
    if (object(options) === null && name in options) {
      throw new TypeError(`connect() has no option "${name}": write ${instead}`);
    }
  }
  checkOptions("connect()", options, OPTIONS);
}

/** The error never contains the value, which may be a password. */
function credentials(value: unknown): ReturnType<OptionCheck> {
  if (!Array.isArray(value)) {
    return typeof value === "string"
      ? 'is a text: write [password("…")], or [publicKey(await loadKey("…"))] for the path of a key'
      : "must be an array of credentials, such as [publicKey(key)]";
  }
  for (const [at, each] of value.entries()) {
    const problem = credential(each);
    if (problem !== null) return `has a mistake: auth[${at}] ${problem}`;
  }
  return null;
}

function credential(value: unknown): string | null {
  if (typeof value === "string") {
    return 'is a text: write password("…"), or publicKey(await loadKey("…")) for the path of a key';
  }
  if (typeof value !== "object" || value === null) return `is ${shown(value)}, not a credential`;
  if ("sign" in value && "publicKey" in value) return "is a private key: wrap it in publicKey(key)";
  return "authenticate" in value ? null : "is an object, but not a credential such as password(…)";
}

function isConnectionCount(value: unknown): boolean {
  return Number.isInteger(value) && value as number >= 1 && value as number <= 64;
}
