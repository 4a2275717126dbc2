/** Checks the options of `serve()` before it listens. */
import {
  abortSignal,
  anything,
  callback,
  checkOptions,
  count,
  either,
  flag,
  milliseconds,
  mustBe,
  nested,
  object,
  oneOf,
  type OptionCheck,
  type OptionChecks,
  shown,
  text,
} from "../option_checks.ts";
import type { ServerAuthPolicy } from "../auth/policy.ts";
import { ALGORITHM_CHECKS } from "../crypto/suite_checks.ts";
import { SERVICE_CHECK } from "../sftp/server/server.ts";
import type { ServeOptions } from "./options.ts";
import type { PenaltyOptions } from "./penalties.ts";

const PENALTY_CHECKS: OptionChecks<PenaltyOptions> = {
  authFail: milliseconds,
  invalidUser: milliseconds,
  noAuth: milliseconds,
  graceExceeded: milliseconds,
  min: milliseconds,
  max: milliseconds,
  exempt: text,
};

/** The policies of `auth`, which are functions. */
const POLICIES = [
  "isUser",
  "none",
  "password",
  "passwordChange",
  "publicKey",
  "hostBased",
  "interactive",
] as const satisfies readonly (keyof ServerAuthPolicy)[];

const OPTIONS: OptionChecks<ServeOptions> = {
  port: mustBe("a port from 0 to 65535", isPort),
  hostname: text,
  hostKeys: (value) =>
    Array.isArray(value) && value.every((key) => object(key) === null && "publicKey" in key)
      ? null
      : 'must be an array of private keys, such as [await hostKeyFile("host_key")]',
  auth: (value) => {
    const policy = value as Record<string, unknown>;
    const wrong = object(value) === null &&
      POLICIES.find((name) => callback(policy[name] ?? anything));
    return wrong ? `has a mistake: ${wrong} must be a function` : object(value); // the value may be a secret
  },
  sftp: (value) =>
    typeof value === "object" && value !== null && "backend" in value
      ? SERVICE_CHECK(value)
      : either(object, callback)(value),
  subsystems: each(callback),
  pty: flag,
  forward: nested("forward", { local: callback, remote: callback, agent: callback, x11: callback }),
  algorithms: either(oneOf("strict"), nested("algorithms", ALGORITHM_CHECKS)),
  loginGraceTime: milliseconds,
  maxAuthTries: count,
  maxStartups: nested("maxStartups", { begin: count, rate: count, full: count }),
  maxStartupsPerSource: count,
  penalties: (value) =>
    value === false ? null : mustBe("an object or false", (it) => object(it) === null)(value) ??
      nested("penalties", PENALTY_CHECKS)(value),
  maxSessions: count,
  keepaliveInterval: milliseconds,
  keepaliveCount: count,
  tcpKeepAlive: flag,
  idleTimeout: milliseconds,
  unusedConnectionTimeout: milliseconds,
  maxSessionTime: milliseconds,
  channelTimeouts: each(milliseconds),
  rekey: object,
  window: anything,
  proxies: text,
  reusePort: flag,
  signal: abortSignal,
  onListen: callback,
  onConnection: callback,
  onAttempt: callback,
  onError: callback,
  trace: callback,
};

/** @throws {TypeError} If an option has an unknown name, or an option or the handler is invalid */
export function checkServeOptions(
  call: string,
  options: ServeOptions,
  handler: unknown = null,
): void {
  checkOptions(call, options, OPTIONS);
  if (handler !== null && typeof handler !== "function") {
    throw new TypeError(`${call}: the handler must be a function, not ${shown(handler)}`);
  }
  if (!options.hostKeys) {
    throw new TypeError(`${call} needs hostKeys, such as [await hostKeyFile("host_key")]`);
  }
  if (!options.auth) {
    throw new TypeError(`${call} needs auth, such as { publicKey: authorizedKeys("…") }`);
  }
}

function isPort(value: unknown): boolean {
  return Number.isInteger(value) && value as number >= 0 && value as number <= 65535;
}

/** Checks every value of an object. */
function each(check: OptionCheck): OptionCheck {
  return (value) => {
    const problem = object(value);
    if (problem !== null) return problem;
    for (const [name, one] of Object.entries(value as object)) {
      const problem = check(one);
      if (problem !== null) return `has a mistake: "${name}" ${problem}`;
    }
    return null;
  };
}
