import type { PtyOptions } from "../connection/session_requests.ts";
import { type TerminalMode, TTY_MODES } from "../wire/numbers.ts";
import { ProtocolError } from "../errors.ts";
import { Reader } from "../wire/reader.ts";
import { PtyReq } from "../wire/requests.ts";

/** A terminal from the server's point of view. */
export interface Pty extends Required<Omit<PtyOptions, "modes">> {
  /** The modes that the client named. */
  readonly modes: Readonly<Partial<Record<TerminalMode, number>>>;
}

const END = 0;
// RFC 4254 §8: opcodes 160 to 255 have unknown arguments and end the parsing.
const FIRST_UNKNOWN = 160;

/** A `pty-req` of a client. */
export function decodePty(data: Uint8Array): Pty {
  const { modes, ...request } = PtyReq.decode(data);
  return { ...request, modes: decodeModes(modes) };
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
