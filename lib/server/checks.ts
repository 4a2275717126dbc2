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
  type OptionChecks,
  text,
} from "../option_checks.ts";
import { ALGORITHM_CHECKS } from "../crypto/suite_checks.ts";
import type { ServeOptions } from "./options.ts";

const OPTIONS: OptionChecks<ServeOptions> = {
  port: mustBe("a port from 0 to 65535", (port) => Number.isInteger(port) && (port as number) >= 0),
  hostname: text,
  hostKeys: (value) =>
    Array.isArray(value) && value.every((key) => object(key) === null && "publicKey" in key)
      ? null
      : 'must be an array of private keys, such as [await hostKeyFile("host_key")]',
  auth: object,
  sftp: either(object, callback),
  subsystems: object,
  pty: flag,
  forward: object,
  algorithms: either(oneOf("strict"), nested("algorithms", ALGORITHM_CHECKS)),
  loginGraceTime: milliseconds,
  maxAuthTries: count,
  maxStartups: object,
  maxStartupsPerSource: count,
  penalties: either(object, mustBe("an object or false", (value) => value === false)),
  maxSessions: count,
  keepaliveInterval: milliseconds,
  keepaliveCount: count,
  tcpKeepAlive: flag,
  idleTimeout: milliseconds,
  unusedConnectionTimeout: milliseconds,
  maxSessionTime: milliseconds,
  channelTimeouts: object,
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

/** @throws {TypeError} If an option has an unknown name, or an invalid value */
export function checkServeOptions(call: string, options: ServeOptions): void {
  checkOptions(call, options, OPTIONS);
}
