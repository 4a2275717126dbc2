/** Names that may reach a shell: in ProxyCommand, LocalCommand and Match exec. */
import { ConfigError, printable } from "../errors.ts";
import type { Tokens } from "./tokens.ts";

/**
 * Refuses a host name with characters that a shell or an option parser could interpret, as OpenSSH's
 * ssh_valid_hostname.
 *
 * @throws {ConfigError} If it has such a character
 */
export function checkHost(host: string): string {
  if (host === "" || /^-|['`"$\\;&<>|(){},\s\p{Cc}]/u.test(host)) {
    throw new ConfigError([`hostname contains invalid characters: "${printable(host)}"`]);
  }
  return host;
}

/**
 * Refuses a user name with such characters, as OpenSSH's ssh_valid_ruser; spaces and inner backslashes
 * are allowed.
 *
 * @throws {ConfigError} If it has such a character
 */
export function checkUser(user: string): string {
  if (user === "" || /^-|['`";&<>|(){}\p{Cc}]|\s-|\\$/u.test(user)) {
    throw new ConfigError([`remote username contains invalid characters: "${printable(user)}"`]);
  }
  return user;
}

/** Tokens for the text of a shell command; host and user names are checked, whatever their source. */
export function shellTokens(tokens: Tokens): Tokens {
  const checks = { h: checkHost, k: checkHost, n: checkHost, r: checkUser, u: checkUser };
  const checked = Object.entries(checks).flatMap(([letter, check]) => {
    const value = tokens[letter];
    return value === undefined ? [] : [[letter, () => check(value())] as const];
  });
  return { ...tokens, ...Object.fromEntries(checked) };
}
