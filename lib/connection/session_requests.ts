import { RequestDeniedError } from "../errors.ts";
import { type SignalName, SIGNALS, type TerminalMode, TTY_MODES } from "../wire/numbers.ts";
import { Break, Env, PtyReq, Signal, WindowChange, XonXoff } from "../wire/requests.ts";
import { Writer } from "../wire/writer.ts";
import type { CallOptions } from "../waiting.ts";

/** The size of a terminal. */
export interface TerminalSize {
  /** Characters in a row; 80 unless given. */
  readonly columns?: number;
  /** Rows of characters; 24 unless given. */
  readonly rows?: number;
  /** Pixels across, or 0. */
  readonly width?: number;
  /** Pixels down, or 0. */
  readonly height?: number;
}

/** A terminal to request (RFC 4254 §6.2). */
export interface PtyOptions extends TerminalSize {
  /** The value of TERM; `"xterm-256color"` unless given. */
  readonly term?: string;
  /** Terminal modes that differ from the server's defaults. */
  readonly modes?: Readonly<Partial<Record<TerminalMode, number>>>;
}

/** Options of environment variables. */
export interface EnvOptions extends CallOptions {
  /** Waits for an answer and throws if the server refuses; otherwise refusals are silent. */
  readonly strict?: boolean;
}

/** Sends requests on a channel. */
export interface Requester {
  request(type: string, data: Uint8Array, options: CallOptions): Promise<void>;
  notify(type: string, data: Uint8Array): void;
}

/** The payload of `pty-req`. */
export function encodePtyRequest(options: PtyOptions): Uint8Array {
  const modes = new Writer(64);
  for (const [name, value] of Object.entries(options.modes ?? {})) {
    const opcode = TTY_MODES[name as TerminalMode];
    if (opcode === undefined) throw new TypeError(`Unknown terminal mode "${name}"`);
    modes.u8(opcode).u32(uint32(value, "Terminal mode"));
  }
  modes.u8(0); // TTY_OP_END (RFC 4254 §8)
  const term = options.term ?? "xterm-256color";
  return PtyReq.encode({ ...size(options), term, modes: modes.take() });
}

/** The payload of `window-change` (RFC 4254 §6.7). */
export function encodeWindowSize(options: TerminalSize): Uint8Array {
  return WindowChange.encode(size(options));
}

/** The payload of `signal` (RFC 4254 §6.9). */
export function encodeSignal(signal: SignalName | `SIG${SignalName}`): Uint8Array {
  const name = signal.replace(/^SIG/, "");
  if ((SIGNALS as readonly string[]).includes(name)) return Signal.encode({ name });
  throw new TypeError(`Unknown signal "${signal}"`);
}

/** The payload of `break` (RFC 4335 §3). */
export function encodeBreak(milliseconds: number): Uint8Array {
  return Break.encode({ milliseconds: uint32(milliseconds, "Length of a break") });
}

/** The payload of `xon-xoff` (RFC 4254 §6.8). */
export function encodeXonXoff(clientCanDo: boolean): Uint8Array {
  return XonXoff.encode({ clientCanDo });
}

/** Sends all of the variables together, and waits for the answers only if `strict` is set. */
export async function sendEnv(
  channel: Requester,
  variables: Readonly<Record<string, string>>,
  options: EnvOptions,
): Promise<void> {
  const entries = Object.entries(variables);
  if (!options.strict) {
    for (const [name, value] of entries) channel.notify("env", Env.encode({ name, value }));
    return;
  }
  const results = await Promise.allSettled(
    entries.map(([name, value]) => channel.request("env", Env.encode({ name, value }), options)),
  );
  const refused: string[] = [];
  for (const [at, result] of results.entries()) {
    if (result.status === "fulfilled") continue;
    if (!(result.reason instanceof RequestDeniedError)) throw result.reason;
    refused.push(`"${entries[at]![0]}"`);
  }
  if (refused.length === 0) return;
  throw new RequestDeniedError("env", `The peer refused to set ${refused.join(", ")}`);
}

function size(options: TerminalSize): Required<TerminalSize> {
  const { columns = 80, rows = 24, width = 0, height = 0 } = options;
  for (const value of [columns, rows, width, height]) uint32(value, "Terminal size");
  return { columns, rows, width, height };
}

function uint32(value: number, what: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff) return value;
  throw new RangeError(`${what} must be a whole number of at least 0, not ${value}`);
}
