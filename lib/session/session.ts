import { AGENT_FORWARDING, SIGNALS } from "../wire/numbers.ts";
import type { Channel } from "../connection/channel.ts";
import { writableOf } from "../connection/channel_streams.ts";
import type { RequestAnswer } from "../connection/request.ts";
import type { Grant } from "../auth/grant.ts";
import type { PublicKey } from "../keys/public_key.ts";
import {
  Break,
  Env,
  Exec,
  Signal as SignalLayout,
  Subsystem,
  WindowChange,
  X11Req,
} from "../wire/requests.ts";
import { shellWords } from "./shell_words.ts";
import { LineEditor } from "../terminal/line_editor.ts";
import type { Program } from "./command.ts";
import type { TerminalSize } from "../connection/session_requests.ts";
import { inSpan } from "../spans.ts";
import { decodePty, type Pty } from "./pty.ts";

/** The most variables and bytes of environment in one session: more than real clients send. */
const MAX_VARIABLES = 256;
const MAX_ENVIRONMENT = 64 * 1024;

/**
 * Runs when a client starts a program; the number it returns is the exit code, 0 by default.
 *
 * @example
 * ```ts
 * import type { SessionHandler } from "@denossh/ssh/server";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const handler: SessionHandler = async (session) => {
 *   await session.print(`${session.command}?\n`);
 *   return 127; // the exit code
 * };
 * await using pair = await connectedPair({ handler });
 * assertEquals((await pair.host.command("x").output()).code, 127);
 * ```
 */
export interface SessionHandler {
  /** Runs the program of a session. */
  (session: Session): number | void | Promise<number | void>;
  /** Whether it can give programs a terminal; by default the server's option `pty` decides. */
  readonly hasTerminals?: () => boolean | Promise<boolean>;
}

/** The logged-in user, for handlers and policies. */
export interface Login {
  /** The user's name, as the client sent it and authentication accepted it. */
  readonly user: string;
  /** The methods by which the user has logged in, in order. */
  readonly methods: readonly string[];
  /** The key that the user, or the user's host, has authenticated with. */
  readonly key?: PublicKey;
  /** The user's restrictions, which the server enforces. */
  readonly grant: Grant;
  /** The client's address, if the connection has one. */
  readonly remoteAddr: Deno.Addr | null;
}

/** The agent that a client forwards to a session; pass it to `connectAgent()`. */
export interface SessionAgent {
  /**
   * Opens a connection to the agent through the client.
   *
   * @throws {ChannelOpenError} If the client refuses
   */
  connect(options?: { readonly signal?: AbortSignal }): Promise<Channel>;
}

/**
 * A client's request for X11 (RFC 4254 §6.3.1); pass it to `listenX11()`.
 */
export interface SessionX11 {
  /** The authentication protocol of X clients, such as `"MIT-MAGIC-COOKIE-1"`. */
  readonly protocol: string;
  /** The secret for it, in hexadecimal. */
  readonly cookie: string;
  /** The screen of the client's display. */
  readonly screen: number;
  /** Whether the client accepts only one connection. */
  readonly single: boolean;
  /**
   * Opens a connection to the client's display.
   *
   * @param from The originator; this server by default
   * @throws {ChannelOpenError} If the client refuses
   */
  connect(
    from?: Deno.Addr,
    options?: { readonly signal?: AbortSignal },
  ): Promise<Channel>;
}

/** The server's policies for a session. */
export interface SessionPolicy {
  /** Returns the program to run, possibly another one; null refuses it. */
  readonly start: (program: Program) => { run: SessionHandler; program: Program } | null;
  /** Whether a terminal is allowed. */
  readonly pty: () => boolean | Promise<boolean>;
  /** The client's agent, by channels of a type; null if that is not allowed here. */
  readonly agent: (channelType: string) => Promise<SessionAgent | null>;
  /** Connects to the client's display; null if that is not allowed here. */
  readonly x11: () => Promise<SessionX11["connect"] | null>;
  /** Called when a handler throws. */
  readonly failed: (error: unknown) => void;
}

/**
 * A client's session on this server: its streams and its exit status.
 *
 * @example
 * ```ts
 * import type { Session } from "@denossh/ssh/server";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * async function greet(session: Session): Promise<number> {
 *   if (session.command !== "greet") {
 *     await session.printError(`unknown command "${session.command}"\n`);
 *     return 127;
 *   }
 *   await session.print(`hello ${session.user}\n`);
 *   return 0;
 * }
 *
 * await using pair = await connectedPair({ handler: greet });
 * assertEquals(await pair.host.run("greet"), "hello tester");
 * assertEquals((await pair.host.command("rm").output()).code, 127);
 * ```
 */
export class Session {
  /** The user who is logged in. */
  readonly user: string;
  /** The client's address, if the connection has one. */
  readonly remoteAddr: Deno.Addr | null;
  /** The login and its restrictions. */
  readonly login: Login;
  /** The environment variables that the client sent; they are not applied automatically. */
  readonly env: Record<string, string> = Object.create(null);
  /** The channel underneath. */
  readonly channel: Channel;
  /** Aborted when the client closes the session or the connection ends. */
  readonly signal: AbortSignal;

  #program: Program | null = null;
  #asked: Program | null = null;
  #pty: Pty | null = null;
  #agent: SessionAgent | null = null;
  #x11: SessionX11 | null = null;
  #stderr: WritableStream<Uint8Array> | null = null;
  #exited = false;
  #onSignal: (name: string) => void = () => {};
  #onBreak: ((milliseconds: number) => void) | null = null;
  #onResize: (size: Required<TerminalSize>) => void = () => {};
  readonly #gone = new AbortController();
  readonly #policy: SessionPolicy;

  /**
   * Sessions come from a server, not from a constructor.
   *
   * @ignore
   */
  constructor(channel: Channel, login: Login, policy: SessionPolicy) {
    this.channel = channel;
    this.login = login;
    this.user = login.user;
    this.remoteAddr = login.remoteAddr;
    this.signal = this.#gone.signal;
    this.#policy = policy;
    const gone = () => this.#gone.abort();
    channel.closed.then(gone, gone);
    channel.handleRequests(({ type, data }) => this.#answer(type, data));
  }

  /** The command to run, or null for a shell or a subsystem. */
  get command(): string | null {
    return this.#program?.kind === "exec" ? this.#program.command : null;
  }

  /**
   * The words of the command, without quotes as in a POSIX shell; other special characters are
   * literal. Empty for a shell or a subsystem.
   *
   * @throws {SshError} If a quote is not closed
   */
  get arguments(): string[] {
    return shellWords(this.command ?? "");
  }

  /** The subsystem to run, or null. */
  get subsystem(): string | null {
    return this.#program?.kind === "subsystem" ? this.#program.name : null;
  }

  /**
   * The requested command or subsystem, if the login's grant forces another one, as in
   * SSH_ORIGINAL_COMMAND; otherwise null.
   */
  get originalCommand(): string | null {
    if (this.#asked === this.#program) return null;
    if (this.#asked?.kind === "exec") return this.#asked.command;
    return this.#asked?.kind === "subsystem" ? this.#asked.name : null;
  }

  /** The requested terminal, with its current size, or null. */
  get pty(): Pty | null {
    return this.#pty;
  }

  /** The client's forwarded agent, or null; the server's `forward.agent` has allowed it. */
  get agent(): SessionAgent | null {
    return this.#agent;
  }

  /** The client's forwarded display, or null; the server's `forward.x11` has allowed it. */
  get x11(): SessionX11 | null {
    return this.#x11;
  }

  /** The client's standard input. */
  get stdin(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.channel.readable;
  }

  /** The client's standard output. */
  get stdout(): WritableStream<Uint8Array> {
    return this.channel.writable;
  }

  /** The client's standard error. */
  get stderr(): WritableStream<Uint8Array> {
    return this.#stderr ??= writableOf({
      write: (chunk) => this.channel.writeAllStderr(chunk),
      close: () => Promise.resolve(),
      abort: () => {},
    });
  }

  /**
   * The lines that the client sends, up to the end, without LF or CR LF. At a terminal, keys are
   * echoed, and
   * Backspace and Ctrl-U edit the line; Ctrl-C, and Ctrl-D in an empty line, end the input.
   *
   * @throws {SshError} If a line is longer than 1 MiB; at a terminal, keys after 4,095 have no effect
   *
   * @example
   * ```ts
   * import { connectedPair } from "@denossh/ssh/testing";
   * import { assertEquals } from "@std/assert";
   *
   * await using pair = await connectedPair({
   *   handler: async (session) => {
   *     const [, name] = session.arguments; // of: greet 'Ann Lee'
   *     for await (const line of session.lines()) {
   *       await session.print(`${name}: ${line}\n`);
   *     }
   *   },
   * });
   * const command = pair.host.command("greet 'Ann Lee'", {
   *   input: "hello\ngoodbye",
   * });
   * assertEquals(await command.lines(), ["Ann Lee: hello", "Ann Lee: goodbye"]);
   * ```
   */
  async *lines(): AsyncIterableIterator<string> {
    if (this.#pty === null) return yield* this.channel.lines();
    const decoder = new TextDecoder();
    const editor = new LineEditor();
    for await (const chunk of this.channel) {
      let shown = "";
      for (const key of decoder.decode(chunk, { stream: true })) {
        const press = editor.press(key);
        shown += press.shown;
        if (press.line === undefined) continue;
        await this.print(shown);
        shown = "";
        if (press.line === null) return;
        yield press.line;
      }
      if (shown !== "") await this.print(shown);
    }
  }

  /** Writes text to standard output; with a terminal, line feeds become CR LF. */
  print(text: string): Promise<void> {
    return this.channel.writeAll(this.#encode(text));
  }

  /** Writes text to standard error. */
  printError(text: string): Promise<void> {
    return this.channel.writeAllStderr(this.#encode(text));
  }

  /**
   * Called with the name, without SIG, of each signal of RFC 4254 §6.9 that the client sends; never
   * for a forced command.
   */
  onSignal(handler: (name: string) => void): void {
    this.#onSignal = handler;
  }

  /** Called when the client sends a break (RFC 4335), which is refused without a handler. */
  onBreak(handler: (milliseconds: number) => void): void {
    this.#onBreak = handler;
  }

  /** Called when the client's terminal changes its size. */
  onResize(handler: (size: Required<TerminalSize>) => void): void {
    this.#onResize = handler;
  }

  /** Sends the exit code; the handler's return value is then ignored. */
  exit(code: number): void {
    this.#exit({ code });
  }

  /** Reports that a signal, named without SIG, ended the program. */
  exitSignal(signal: string, options: { coreDumped?: boolean; message?: string } = {}): void {
    this.#exit({ signal, ...options });
  }

  #exit(exit: Parameters<Channel["sendExit"]>[0]): void {
    if (this.#exited || !this.channel.isOpen) return;
    this.#exited = true;
    this.channel.sendExit(exit);
  }

  #encode(text: string): Uint8Array {
    return new TextEncoder().encode(this.#pty ? text.replace(/\r?\n/g, "\r\n") : text);
  }

  #answer(type: string, data: Uint8Array): RequestAnswer | Promise<RequestAnswer> {
    switch (type) {
      case "env":
        return this.#setEnv(Env.decode(data));
      case "pty-req":
        return this.#usePty(decodePty(data));
      case "window-change": {
        const size = WindowChange.decode(data);
        if (!this.#pty) return false;
        this.#pty = { ...this.#pty, ...size };
        this.#onResize(size);
        return true;
      }
      case AGENT_FORWARDING.IANA.request:
        return this.#useAgent(AGENT_FORWARDING.IANA.channel);
      case AGENT_FORWARDING.OPENSSH.request:
        return this.#useAgent(AGENT_FORWARDING.OPENSSH.channel);
      case "x11-req":
        return this.#useX11(data);
      case "signal":
        return this.#signal(SignalLayout.decode(data).name);
      case "break":
        if (!this.#onBreak) return false;
        this.#onBreak(Break.decode(data).milliseconds);
        return true;
      case "exec":
        return this.#start({ kind: "exec", command: Exec.decode(data).command });
      case "shell":
        return this.#start({ kind: "shell" });
      case "subsystem":
        return this.#start({ kind: "subsystem", name: Subsystem.decode(data).name });
      default:
        return false;
    }
  }

  /** As in sshd, a forced command gets no signals from the client. */
  #signal(name: string): boolean {
    if (this.#program === null || this.login.grant.command !== undefined) return false;
    if (!(SIGNALS as readonly string[]).includes(name)) return false;
    this.#onSignal(name);
    return true;
  }

  #usePty(pty: Pty): boolean | Promise<boolean> {
    if (this.#program || this.#pty) return false;
    const use = (may: boolean) => {
      if (may) this.#pty = pty;
      return may;
    };
    const may = this.#policy.pty();
    return typeof may === "boolean" ? use(may) : may.then(use);
  }

  async #useAgent(channelType: string): Promise<boolean> {
    this.#agent ??= await this.#policy.agent(channelType);
    return this.#agent !== null;
  }

  async #useX11(data: Uint8Array): Promise<boolean> {
    const { protocol, cookie, screen, single } = X11Req.decode(data);
    // Checked, because they are written to a file that X clients read, and to an environment variable.
    if (!/^[\w.-]{1,64}$/.test(protocol) || !/^(?:[0-9a-f]{2}){1,256}$/i.test(cookie)) return false;
    if (this.#program || this.#x11 || screen > 0xffff) return false;
    const connect = await this.#policy.x11();
    if (connect) this.#x11 = { protocol, cookie, screen, single, connect };
    return this.#x11 !== null;
  }

  #setEnv({ name, value }: { name: string; value: string }): boolean {
    const used = Object.entries(this.env);
    const bytes = used.reduce((sum, [key, text]) => sum + key.length + text.length, 0);
    if (this.#program || used.length >= MAX_VARIABLES) return false;
    if (bytes + name.length + value.length > MAX_ENVIRONMENT) return false;
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || value.includes("\0")) return false;
    this.env[name] = value;
    return true;
  }

  /** RFC 4254 §6.5: one program per channel. */
  #start(program: Program): false | (() => void) {
    if (this.#program) return false;
    const started = this.#policy.start(program);
    if (started === null) return false;
    this.#asked = program;
    this.#program = started.program;
    return () => this.#run(started.run);
  }

  async #run(handler: SessionHandler): Promise<void> {
    const { channel } = this;
    try {
      const kind = this.#program!.kind;
      const run = () => Promise.try(() => handler(this));
      this.exit(await inSpan(`ssh.${kind}`, "server", {}, run) ?? 0);
    } catch (error) {
      // The client learns only that it failed, because our messages may contain internal details.
      this.exit(1);
      if (!this.signal.aborted) this.#policy.failed(error);
    }
    // In order, after pending writes. The client may have disconnected already.
    channel.closeWrite().catch(() => {});
    channel.close();
  }
}
