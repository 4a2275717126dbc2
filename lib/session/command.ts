import type { Channel } from "../connection/channel.ts";
import { ClosedError, CommandError, printable, RequestDeniedError } from "../errors.ts";
import { checkUnlocked } from "../option_checks.ts";
import { quote } from "../quote.ts";
import { runtime } from "../runtime/runtime.ts";
import { startSpan } from "../spans.ts";
import { type CallOptions, onAbort } from "../waiting.ts";
import { type CommandOutput, Process, type ProcessOptions } from "./process.ts";
import { encodePtyRequest, type PtyOptions } from "../connection/session_requests.ts";

/** Milliseconds between checks of a program whose requests have not been answered. */
const UNANSWERED_MS = 1000;

/** Options of a remote command. */
export interface CommandOptions extends ProcessOptions {
  /** Words after the command, each quoted for a POSIX shell. */
  readonly args?: readonly string[];
  /** The folder to start in, instead of the home directory; the server's shell changes to it. */
  readonly cwd?: string;
  /** Environment variables; servers silently ignore those that they do not accept. */
  readonly env?: Readonly<Record<string, string>>;
  /** A terminal for the command; true for one of 80 by 24. */
  readonly pty?: boolean | PtyOptions;
  /**
   * Standard input: `"piped"` leaves it to the caller (default of `spawn`), `"null"` is empty (default of
   * `output`), `"inherit"` is that of this program; bytes, a stream, a `Blob` or `{ text }` are sent.
   */
  readonly stdin?:
    | "piped"
    | "null"
    | "inherit"
    | Uint8Array
    | Blob
    | ReadableStream<Uint8Array>
    | { text: string };
  /** Standard input as text, bytes, a stream or a `Blob`, in place of `stdin`. */
  readonly input?: string | Uint8Array | Blob | ReadableStream<Uint8Array>;
}

/** The program of a session. */
export type Program =
  | { readonly kind: "exec"; readonly command: string }
  | { readonly kind: "shell" }
  | { readonly kind: "subsystem"; readonly name: string };

/**
 * A remote command, in the shape of Deno's `Command`.
 *
 * @example
 * ```ts
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pair = await connectedPair({
 *   handler: async (session) => {
 *     await session.print(session.env.GREETING ?? "");
 *     return 3;
 *   },
 * });
 * const command = pair.host.command("greet", { env: { GREETING: "hello" } });
 * const { code, success, stdout } = await command.output();
 * assertEquals([code, success], [3, false]);
 * assertEquals(new TextDecoder().decode(stdout), "hello");
 * ```
 */
export class Command {
  readonly #open: (signal?: AbortSignal) => Promise<Channel>;
  readonly #command: string;
  readonly #options: CommandOptions;
  readonly #how: (() => CommandStart) | null;

  /**
   * Commands are made with `host.command()`, not constructed.
   *
   * @ignore
   */
  constructor(
    open: (signal?: AbortSignal) => Promise<Channel>,
    command: string,
    options: CommandOptions = {},
    how: (() => CommandStart) | null = null,
  ) {
    this.#open = open;
    this.#command = commandLine(command, options);
    this.#options = options;
    this.#how = how;
  }

  /**
   * Starts the command.
   *
   * @throws {ChannelOpenError} If the server opens no session
   * @throws {RequestDeniedError} If the server refuses the command or its terminal
   */
  spawn(): Promise<Process> {
    return this.#start(inputOf(this.#options) ?? "piped");
  }

  /** Runs the command to its end and collects what it writes. */
  async output(): Promise<CommandOutput> {
    await using process = await this.#start(inputOf(this.#options) ?? "null");
    return await process.output();
  }

  /**
   * Runs the command to its end and returns its standard output as text, without the last line feed.
   *
   * @throws {CommandError} If it ends without success
   */
  async text(): Promise<string> {
    return new TextDecoder().decode(await this.bytes()).replace(/\r?\n$/, "");
  }

  /**
   * Runs the command to its end and returns the lines of its standard output.
   *
   * @throws {CommandError} If it ends without success
   */
  async lines(): Promise<string[]> {
    const text = await this.text();
    return text === "" ? [] : text.split(/\r?\n/);
  }

  /**
   * Runs the command to its end and returns its standard output, parsed as JSON.
   *
   * @throws {CommandError} If it ends without success
   * @throws {SyntaxError} If its output is not JSON
   */
  // deno-lint-ignore no-explicit-any -- as JSON.parse
  async json<T = any>(): Promise<T> {
    return JSON.parse(await this.text());
  }

  /**
   * Runs the command to its end and returns its standard output.
   *
   * @throws {CommandError} If it ends without success
   */
  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return (await this.success()).stdout;
  }

  /**
   * Runs the command to its end, as {@linkcode Command.output} does.
   *
   * @throws {CommandError} If it ends without success
   */
  async success(): Promise<CommandOutput> {
    const output = await this.output();
    if (output.success) return output;
    throw commandFailure(this.#command, output);
  }

  async #start(stdin: NonNullable<CommandOptions["stdin"]>): Promise<Process> {
    const how = this.#how?.();
    const command = how?.line(this.#command) ?? this.#command;
    const channel = await this.#open(this.#options.signal);
    const options = { ...this.#options, stdin };
    return await startProcess(channel, { kind: "exec", command }, options, how?.begin);
  }
}

/** Starts a command by way of another program, such as sudo. */
export interface CommandStart {
  /** The command line for the server. */
  line(command: string): string;
  /** Waits until the command has started and owns standard input. */
  begin(channel: Channel, options: CallOptions): Promise<void>;
}

/**
 * Starts a program on a fresh session channel; closes it if that fails.
 *
 * @param begin Waits until the program may have its input
 */
export async function startProcess(
  channel: Channel,
  program: Program,
  options: CommandOptions,
  begin?: CommandStart["begin"],
): Promise<Process> {
  // Set before data can arrive, so that the two streams keep their order.
  if (options.stderr === "merge") channel.combineStderr(true);
  // Discarded like /dev/null; cancelling would be a broken pipe for the command.
  if (options.stdout === "null") channel.discard("stdout");
  try {
    const { stdin = "piped" } = options;
    if (stdin instanceof ReadableStream) checkUnlocked(stdin);
    const starting = startProgram(channel, program, options);
    // Sent in the same write as the request, so that a program without input does not wait for EOF.
    const end = () => void channel.closeWrite().catch(() => {});
    if (stdin === "null" && begin === undefined) end();
    await starting;
    await begin?.(channel, options);
    if (stdin === "null" && begin !== undefined) end();
    const process = new Process(channel, options);
    if (stdin !== "null" && stdin !== "piped") feed(process, stdin);
    return process;
  } catch (error) {
    channel.abort(error);
    throw error;
  }
}

/** Sends env, pty-req and the program together, in one round trip. */
export async function startProgram(
  channel: Channel,
  program: Program,
  options: Pick<CommandOptions, "env" | "pty" | "signal"> = {},
): Promise<void> {
  const span = startSpan(`ssh.${program.kind}`, "client");
  try {
    await requestProgram(channel, program, options);
  } catch (error) {
    span.end(error);
    throw error;
  }
  channel.exitStatus.then(({ code, signal }) => {
    span.set({ "process.exit.code": code, "ssh.exit_signal": signal });
    span.end();
  }, (error) => span.end(error));
}

/** Starts a program on a fresh channel, which is closed if that fails. */
export async function startOn(
  channel: Channel,
  program: Program,
  options: CallOptions,
): Promise<Channel> {
  try {
    await startProgram(channel, program, options);
    return channel;
  } catch (error) {
    channel.abort(error);
    throw error;
  }
}

async function requestProgram(
  channel: Channel,
  program: Program,
  options: Pick<CommandOptions, "env" | "pty" | "signal">,
): Promise<void> {
  const { signal, pty } = options;
  signal?.throwIfAborted();
  // Encoded first, so that an invalid terminal prevents the start of the program.
  const terminal = pty ? encodePtyRequest(pty === true ? {} : pty) : null;
  const wanted: Promise<void>[] = [];
  if (options.env) wanted.push(channel.updateEnv(options.env));
  if (terminal) wanted.push(channel.request("pty-req", terminal));
  wanted.push(
    program.kind === "exec"
      ? channel.exec(program.command)
      : program.kind === "shell"
      ? channel.shell()
      : channel.subsystem(program.name),
  );
  using _aborting = signal ? onAbort(signal, (reason) => channel.abort(reason)) : null;
  for (const result of await answersOf(channel, Promise.allSettled(wanted))) {
    if (result.status === "fulfilled") continue;
    if (result.reason instanceof ClosedError && hasOutput(channel)) return;
    if (!(result.reason instanceof RequestDeniedError)) throw result.reason;
    throw new RequestDeniedError(
      result.reason.request,
      `The server refused "${result.reason.request}": ${refusal(result.reason.request, program)}`,
      { cause: result.reason },
    );
  }
}

function refusal(request: string, program: Program): string {
  if (request === "pty-req") return "it gives this user no terminal";
  if (program.kind === "shell") return "it has no shell for this user";
  return program.kind === "exec"
    ? "it runs no commands for this user"
    : `it has no subsystem "${printable(program.name)}" for this user`;
}

/**
 * The answers to the requests; none if the program runs without them: some devices do not answer requests,
 * and OpenSSH does not wait either.
 */
async function answersOf(
  channel: Channel,
  answers: Promise<PromiseSettledResult<void>[]>,
): Promise<PromiseSettledResult<void>[]> {
  const running = Promise.withResolvers<null>();
  const timer = setInterval(() => {
    if (hasOutput(channel)) running.resolve(null);
  }, UNANSWERED_MS);
  channel.exitStatus.then(({ code, signal }) => {
    if (code !== null || signal !== null) running.resolve(null);
  }, () => {});
  try {
    const first = await Promise.race([answers, running.promise]);
    return first ?? (channel.state.pendingRequests > 0 ? [] : await answers);
  } finally {
    clearInterval(timer);
  }
}

function hasOutput({ readableBytes, readableStderrBytes }: Channel): boolean {
  return readableBytes + readableStderrBytes > 0;
}

function feed(
  process: Process,
  stdin: Exclude<NonNullable<CommandOptions["stdin"]>, "piped" | "null">,
): void {
  const { channel } = process;
  // A command may end without reading its input, as with a pipe: EPIPE is ignored.
  const ignore = () => {};
  const stream = stdin instanceof Blob
    ? stdin.stream()
    : stdin === "inherit"
    ? runtime.terminal.stdin.readable
    : stdin;
  if (stream instanceof ReadableStream) {
    // The input of this program stays open for others.
    stream.pipeTo(process.stdin, { preventCancel: stdin === "inherit" }).catch(ignore);
  } else {
    const bytes = stream instanceof Uint8Array ? stream : new TextEncoder().encode(stream.text);
    channel.writeAll(bytes).then(() => channel.closeWrite()).catch(ignore);
  }
}

function inputOf({ stdin, input }: CommandOptions): CommandOptions["stdin"] {
  if (input === undefined) return stdin;
  if (stdin !== undefined) throw new TypeError("Give either stdin or input, not both");
  return typeof input === "string" ? { text: input } : input;
}

function commandLine(command: string, { args = [], cwd }: CommandOptions): string {
  const line = [command, ...args.map((arg) => quote(arg))].join(" ");
  if (cwd === undefined) return line;
  // Prevents a folder name that begins with a minus from being an option.
  const folder = cwd.startsWith("-") ? `./${cwd}` : cwd;
  return `cd ${quote(folder)} || exit 1; ${line}`;
}

/** The error of a command that ended without success. */
export function commandFailure(command: string, output: CommandOutput): CommandError {
  return new CommandError(describe(command, output), output);
}

function describe(command: string, output: CommandOutput): string {
  const how = output.signal !== null
    ? `was ended by SIG${output.signal}`
    : output.code === null
    ? "ended without a status"
    : `failed with exit code ${output.code}`;
  const said = new TextDecoder().decode(output.stderr.subarray(0, 400)).trim().split("\n").pop();
  return `Command "${command}" ${how}${said ? `: ${said}` : ""}`;
}
