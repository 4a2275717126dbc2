import { type TerminalMode, TTY_MODES } from "../wire/numbers.ts";
import { ProtocolError } from "../errors.ts";
import { Reader } from "../wire/reader.ts";
import { PtyReq, WindowChange } from "../wire/requests.ts";
import { Writer } from "../wire/writer.ts";

/** The size of a terminal; pixels may stay 0. */
export interface TerminalSize {
  /** Characters in a row. */
  readonly columns?: number;
  /** Rows of characters. */
  readonly rows?: number;
  /** Pixels across, or 0. */
  readonly width?: number;
  /** Pixels down, or 0. */
  readonly height?: number;
}

/** A terminal asked for with `pty-req` (RFC 4254 §6.2). */
export interface PtyOptions extends TerminalSize {
  /** The value of TERM; `"xterm-256color"` unless given. */
  readonly term?: string;
  /** Terminal modes that differ from the far side's defaults. */
  readonly modes?: Readonly<Partial<Record<TerminalMode, number>>>;
}

/** A terminal as a server sees it. */
export interface Pty extends Required<Omit<PtyOptions, "modes">> {
  /** The modes that the client named. */
  readonly modes: Readonly<Partial<Record<TerminalMode, number>>>;
}

const END = 0;
// RFC 4254 §8: opcodes 160 to 255 have no argument that could be known, and end the parsing.
const FIRST_UNKNOWN = 160;

/** The payload of `pty-req`. */
export function encodePty(options: PtyOptions): Uint8Array {
  const modes = new Writer(64);
  for (const [name, value] of Object.entries(options.modes ?? {})) {
    const opcode = TTY_MODES[name as TerminalMode];
    if (opcode === undefined) throw new TypeError(`Unknown terminal mode "${name}"`);
    modes.u8(opcode).u32(value);
  }
  modes.u8(END);
  return PtyReq.encode({
    ...size(options),
    term: options.term ?? "xterm-256color",
    modes: modes.take(),
  });
}

/** A `pty-req` of a client. */
export function decodePty(data: Uint8Array): Pty {
  const { modes, ...request } = PtyReq.decode(data);
  return { ...request, modes: decodeModes(modes) };
}

/** The payload of `window-change` (RFC 4254 §6.7). */
export function encodeResize(options: TerminalSize): Uint8Array {
  return WindowChange.encode(size(options));
}

function size(options: TerminalSize): Required<TerminalSize> {
  const { columns = 80, rows = 24, width = 0, height = 0 } = options;
  for (const value of [columns, rows, width, height]) {
    if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
      throw new RangeError(`Terminal size must be whole numbers of at least 0, not ${value}`);
    }
  }
  return { columns, rows, width, height };
}

function decodeModes(bytes: Uint8Array): Pty["modes"] {
  const names = new Map(Object.entries(TTY_MODES).map(([name, code]) => [code as number, name]));
  const modes: Partial<Record<TerminalMode, number>> = {};
  const reader = new Reader(bytes);
  while (reader.remaining > 0) {
    const opcode = reader.u8();
    if (opcode === END || opcode >= FIRST_UNKNOWN) break;
    if (reader.remaining < 4) throw new ProtocolError("Terminal modes end too early");
    const value = reader.u32();
    const name = names.get(opcode);
    if (name !== undefined) modes[name as TerminalMode] = value;
  }
  return modes;
}
