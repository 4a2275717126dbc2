import { expandTokens } from "../config/tokens.ts";
import { splitWords } from "../config/words.ts";
import { ConnectError, printable } from "../errors.ts";
import { encodeBase64 } from "../encoding.ts";
import { knownHostsName } from "../known_hosts/host_pattern.ts";
import { KnownHosts } from "../known_hosts/known_hosts.ts";
import type { PublicKey } from "../keys/public_key.ts";
import type { KnownHostsSource } from "../known_hosts/known_hosts_policy.ts";
import type { HostAddress } from "../known_hosts/host_key_policy.ts";
import { isError } from "../runtime/errors.ts";
import type { ChildProcess } from "../runtime/parts.ts";
import { runtime } from "../runtime/runtime.ts";
import { withLimits } from "../waiting.ts";
import { ENDING_MS, ShownErrors } from "./shown_errors.ts";

/**
 * Maximum bytes of output, far more than a list of known hosts has, so that endless output cannot
 * fill the memory.
 */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/**
 * KnownHostsCommand of ssh_config(5): a program that prints lines of known_hosts. Needs `--allow-run` for
 * it. If it fails, the connection fails.
 *
 * @param command The program and its arguments, with only the tokens about the host key unreplaced
 * @param onProblem Called if the program cannot be started; with null the connection fails in this
 * case, too
 */
export function knownHostsCommand(
  command: string,
  onProblem: ((message: string) => void) | null,
): KnownHostsSource {
  const name = `KnownHostsCommand "${printable(command)}"`;
  return {
    name: "the output of KnownHostsCommand",
    async find(host, key, { signal } = {}) {
      const started = start(command, host, key, signal);
      if (typeof started === "string") {
        const message = `${name} ${started}`;
        if (onProblem === null) throw new ConnectError(message);
        onProblem(message);
        return KnownHosts.parse("");
      }
      const errors = new ShownErrors(started.stderr);
      const text = await textOf(started, name).catch(async (error) => {
        await errors.end();
        throw error;
      });
      const status = await started.status;
      if (!status.success) await withLimits(errors.shown, { timeout: ENDING_MS }).catch(() => {});
      await errors.end();
      signal?.throwIfAborted();
      if (status.success) return KnownHosts.parse(text);
      const how = status.signal ?? `exit status ${status.code}`;
      throw new ConnectError(`${name} failed: ${how}${errors.lastLine && `: ${errors.lastLine}`}`);
    },
  };
}

/** Starts the program; returns the reason if it cannot be started. */
function start(
  command: string,
  host: HostAddress,
  key: PublicKey | null,
  signal: AbortSignal | undefined,
): ChildProcess | string {
  const words = splitWords(command, { comments: false });
  if (words === null) return "contains invalid quotes";
  const [program = "", ...args] = words;
  // PATH is not searched, since a folder in it could then decide which hosts are trusted.
  if (!/^([a-z]:)?[/\\]/i.test(program)) return "path is not absolute";
  const tokens = {
    H: () => knownHostsName(host.hostname, host.port),
    I: () => key === null ? "ORDER" : "HOSTNAME",
    f: () => key?.fingerprint() ?? "NONE",
    K: () => key === null ? "NONE" : encodeBase64(key.blob),
    t: () => key?.type ?? "NONE",
  };
  try {
    return runtime.programs.spawn(program, {
      args: args.map((arg) => expandTokens(arg, tokens)),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal,
    });
  } catch (error) {
    const failed = isError(error, "NotFound", "PermissionDenied");
    if (!failed) throw error;
    return `cannot be run: ${printable(error.message)}`;
  }
}

async function textOf({ stdout }: ChildProcess, name: string): Promise<string> {
  const decoder = new TextDecoder();
  let [text, size] = ["", 0];
  for await (const chunk of stdout) {
    if ((size += chunk.length) > MAX_OUTPUT_BYTES) {
      throw new ConnectError(`${name} prints more than ${MAX_OUTPUT_BYTES} bytes`);
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
