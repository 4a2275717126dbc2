import { digest } from "../crypto/digest.ts";
import { encodeHex } from "../encoding.ts";
import { ConfigError, printable } from "../errors.ts";
import { joinWords, splitWords } from "./words.ts";

/** The values of the tokens of ssh_config(5), by letter; computed when they are used. */
export type Tokens = Readonly<Record<string, (() => string) | undefined>>;

/**
 * Replaces `%x` by the value of the token, and `%%` by a percent sign.
 *
 * @throws {ConfigError} If a token is unknown
 */
export function expandTokens(text: string, tokens: Tokens): string {
  return text.replace(/%(.?)/gsu, (_, letter: string) => {
    if (letter === "%") return "%";
    const value = Object.hasOwn(tokens, letter) ? tokens[letter] : undefined;
    if (value === undefined) {
      const what = letter === "" ? "a token without a letter" : `no token %${printable(letter)}`;
      throw new ConfigError([`Cannot expand "${printable(text)}": there is ${what} here`]);
    }
    return value();
  });
}

/**
 * Replaces `${NAME}` by the variable, and tokens as {@linkcode expandTokens} does; the values are not
 * expanded again.
 *
 * @throws {ConfigError} If the variable is not set
 */
export function expandAll(
  text: string,
  tokens: Tokens,
  env: (name: string) => string | undefined,
): string {
  return text.replace(/\$\{([^}]*)(\}?)|%.?/gsu, (found, name: string | undefined, end: string) => {
    if (name === undefined) return expandTokens(found, tokens);
    const value = name === "" || end === "" ? undefined : env(name);
    if (value === undefined) {
      throw new ConfigError([
        `Cannot expand "${printable(text)}": variable ${printable(name)} is not set`,
      ]);
    }
    return value;
  });
}

/**
 * Replaces the known tokens, and leaves the others and `%%` for a later pass; percent signs in the values
 * are escaped for it.
 */
export function expandSome(text: string, tokens: Tokens): string {
  return text.replace(/%(.)/gsu, (found, letter: string) => {
    const value = Object.hasOwn(tokens, letter) ? tokens[letter] : undefined;
    return value === undefined ? found : literally(value());
  });
}

/**
 * Applies {@linkcode expandSome} to each argument of a command that runs without a shell, and replaces
 * `${NAME}` as {@linkcode expandAll} does. The name of the program is unchanged.
 *
 * @throws {ConfigError} If a variable is not set
 */
export function expandArguments(
  command: string,
  tokens: Tokens,
  env: (name: string) => string | undefined,
): string {
  const words = splitWords(command, { comments: false });
  if (words === null) return command; // running it will report the error
  const [program, ...args] = words;
  return joinWords([
    ...program === undefined ? [] : [program],
    ...args.map((arg) =>
      arg.split(/(\$\{[^}]*\})/).map((part, at) =>
        at % 2 === 1 ? literally(expandAll(part, {}, env)) : expandSome(part, tokens)
      ).join("")
    ),
  ]);
}

function literally(text: string): string {
  return text.replaceAll("%", "%%");
}

/** %C: a hash that identifies a connection. */
export function connectionHash(
  parts: { local: string; host: string; port: number; user: string; jump: string },
): string {
  const { local, host, port, user, jump } = parts;
  const bytes = new TextEncoder().encode(`${local}${host}${port}${user}${jump}`);
  return encodeHex(digest("SHA-1", bytes));
}
