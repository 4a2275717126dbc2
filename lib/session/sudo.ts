import { encodeHex } from "../encoding.ts";
import type { Channel } from "../connection/channel.ts";
import { SUDO_TIMEOUT_MS } from "../defaults.ts";
import { ExpectError, printable, SudoError } from "../errors.ts";
import { quote } from "../quote.ts";
import { abortable, type CallOptions } from "../waiting.ts";
import type { CommandStart } from "./command.ts";
import { Expecter } from "./expect.ts";

/** Random bytes of the prompt, so that no other text is mistaken for it. */
const RANDOM_BYTES = 8;

/** Options of a command under sudo. */
export interface SudoSettings {
  /**
   * The password of the user who is logged in, or a function that is called when sudo asks. If sudo rejects
   * the password and asks again, the function is called with the number of the attempt, 2 and more; null
   * cancels. The same password is not sent twice, because servers count attempts. Not needed if sudo does
   * not ask.
   */
  readonly password?:
    | string
    | ((attempt: number) => string | null | Promise<string | null>)
    | undefined;
  /** The user to run it as; root by default. */
  readonly user?: string | undefined;
  /**
   * Milliseconds that sudo may take to ask for a password, or to start the command; 30,000 by default.
   * The time of `password` does not count.
   */
  readonly sudoTimeout?: number | undefined;
}

/**
 * Runs a command with `sudo -S`, which reads the password from standard input up to its line feed: it needs
 * no terminal, and the rest of the input goes to the command. A random prompt and a random mark on standard
 * error show when sudo asks and when the command starts.
 *
 * @param stderr The destination of the command's standard error
 */
export function sudoStart(
  settings: SudoSettings,
  env: Readonly<Record<string, string>> = {},
  stderr?: string,
): CommandStart {
  const random = () => encodeHex(crypto.getRandomValues(new Uint8Array(RANDOM_BYTES)));
  const prompt = `[sudo ${random()}] `;
  // The mark is split in the command line, because sudo quotes that in some messages.
  const [begun, rest] = [`[run ${random()}`, `${random()}]`];
  const { user } = settings;
  return {
    line(command) {
      const run = `printf %s%s "$0" "$1" >&2; exec /bin/sh -c "$2"${
        stderr === "merge" ? " 2>&1" : ""
      }`;
      const as = user === undefined ? [] : ["-u", user];
      const script = [...Object.entries(env).map(exported), command].join("; ");
      const shell = ["/bin/sh", "-c", run, begun, rest, script];
      return quote(["sudo", "-S", "-H", "-p", prompt, ...as, "--", ...shell]);
    },
    begin: (channel, options) => answer(channel, prompt, begun + rest, settings, options),
  };
}

/** Set by the shell that sudo runs, because sudo does not pass variables on. */
function exported([name, value]: [string, string]): string {
  if (/^[A-Za-z_]\w*$/.test(name)) return `export ${name}=${quote(value)}`;
  throw new TypeError(`Cannot set the variable ${JSON.stringify(name)}: not a valid name`);
}

/** Answers sudo's prompts until it runs the command. */
async function answer(
  channel: Channel,
  prompt: string,
  mark: string,
  { password = () => null, sudoTimeout: timeout = SUDO_TIMEOUT_MS }: SudoSettings,
  { signal }: CallOptions,
): Promise<void> {
  const said = new Expecter(channel, "stderr");
  let last: string | null = null;
  for (let attempt = 1;; attempt++) {
    const { index } = await said.expect([mark, prompt], { timeout, signal })
      .catch((error) => Promise.reject(sudoError(error, timeout)));
    if (index === 0) return;
    const secret = typeof password === "string"
      ? password
      : await abortable(Promise.try(password, attempt), signal);
    if (secret === null || secret === last) throw refusedPassword(last);
    await send(channel, secret, { signal });
    last = secret;
  }
}

async function send(channel: Channel, secret: string, options: CallOptions): Promise<void> {
  if (/[\r\n\0]/.test(secret)) throw new TypeError("A password for sudo must be one line of text");
  const line = new TextEncoder().encode(`${secret}\n`);
  try {
    await channel.writeAll(line, options);
  } finally {
    line.fill(0);
  }
}

function refusedPassword(offered: string | null): SudoError {
  const message = offered === null
    ? "sudo on the server asks for a password: give the option password"
    : "sudo on the server did not accept the password";
  return new SudoError("password", message);
}

function sudoError(error: unknown, timeout: number): unknown {
  if (!(error instanceof ExpectError)) return error;
  const said = error.received.trim().replace(/\s+/g, " ");
  const words = said === "" ? "it wrote nothing" : `it wrote "${printable(said, said.length)}"`;
  if (error.code === "timeout") {
    const message =
      `sudo on the server neither asked nor ran the command within ${timeout} ms: ${words}`;
    return new SudoError("timeout", message, { cause: error });
  }
  // A sudo that allows one attempt does not ask again.
  if (/incorrect password|no password was provided/.test(error.received)) {
    return new SudoError("password", `sudo on the server did not accept the password: ${words}`);
  }
  return new SudoError("refused", `sudo on the server did not run the command: ${words}`);
}
