import { ConnectError, printable, ProtocolError } from "../errors.ts";
import { DISCONNECT } from "../wire/numbers.ts";
import type { Socket } from "./socket.ts";

/** Our identification, without CR LF, as it is hashed (RFC 4253 §4.2, §8). */
export const IDENTIFICATION = "SSH-2.0-denossh_0.1";

/** The longest identification without CR LF (RFC 4253 §4.2). */
const MAX_OWN_LINE = 253;

/**
 * Our identification, followed by a text.
 *
 * @throws {TypeError} If the text is not printable ASCII, or too long
 */
export function withAddendum(text: string = ""): string {
  const line = text === "" ? IDENTIFICATION : `${IDENTIFICATION} ${text}`;
  if (!/^[ -~]*$/.test(text) || line.length > MAX_OWN_LINE) {
    const most = MAX_OWN_LINE - IDENTIFICATION.length - 1;
    throw new TypeError(`VersionAddendum must be up to ${most} printable ASCII characters`);
  }
  return line;
}

/** The longest line to read, in bytes: RFC 4253 §4.2 allows 255, and OpenSSH reads 8192. */
const MAX_LINE = 8192;
/** The most lines that a server may send before, and their bytes, as in OpenSSH's client. */
const MAX_LINES_BEFORE = 1024;
const MAX_BYTES_BEFORE = 64 * 1024;

/** The peer's line, and the data after it. */
export interface PeerIdentification {
  readonly line: string;
  readonly leftover: Uint8Array;
}

/**
 * Reads the peer's identification. Only a server may send other lines before it (RFC 4253 §4.2).
 *
 * @param heard Called with the peer's first line while it has not identified itself
 * @throws {ConnectError} If the answer is not from an SSH server
 * @throws {ProtocolError} If the line has another version
 */
export async function readIdentification(
  socket: Socket,
  from: "client" | "server",
  heard: (text: string) => void = () => {},
): Promise<PeerIdentification> {
  const inbox = new Uint8Array(4096);
  let line: number[] = [];
  let lines = 0;
  let bytes = 0;
  let first = "";
  for (;;) {
    const n = await socket.read(inbox);
    if (n === null) {
      const said = first || decode(line);
      throw new ConnectError(
        `The ${from} closed the connection before it identified itself` +
          (said ? `: "${printable(said)}"` : ""),
      );
    }
    for (let i = 0; i < n; i++) {
      const byte = inbox[i]!;
      bytes++;
      if (byte !== 0x0a) {
        line.push(byte);
        if (line.length > MAX_LINE) {
          throw refuse(first || decode(line), from, "its first line is too long");
        }
        // Fail at the first line that cannot become an identification, not at its end: a TLS or
        // binary peer may never send a line feed.
        if (!allowed(byte, from, line)) {
          throw refuse(first || decode(line), from, "it sends binary data");
        }
        if (from === "client" && !couldIdentify(line)) throw refuse(decode(line), from);
        continue;
      }
      const text = decode(line).replace(/\r$/, "");
      if (text.startsWith("SSH-")) {
        return { line: check(text, from), leftover: inbox.slice(i + 1, n) };
      }
      if (from === "client" || /^HTTP\//.test(text)) throw refuse(text, from);
      first ||= text;
      line = [];
      if (++lines > MAX_LINES_BEFORE || bytes > MAX_BYTES_BEFORE) {
        throw refuse(first, from, "it sends too many lines before its identification");
      }
    }
    heard(first || decode(line));
  }
}

function couldIdentify(line: number[]): boolean {
  const prefix = "SSH-";
  for (let i = 0; i < prefix.length && i < line.length; i++) {
    if (line[i] !== prefix.charCodeAt(i)) return false;
  }
  return true;
}

/** Some servers' greetings have colors; OpenSSH accepts all but NUL there. */
function allowed(byte: number, from: "client" | "server", line: number[]): boolean {
  if (byte >= 0x20 && byte !== 0x7f || byte === 0x0d || byte === 0x09) return true;
  return byte !== 0 && from === "server" && !couldIdentify(line);
}

/** RFC 4253 §4.2, §5.1: 1.99 is a peer that also speaks 2.0. OpenSSH accepts any minor version of 2, too. */
function check(line: string, from: "client" | "server"): string {
  const version = /^SSH-([^-]*)-/.exec(line);
  if (version === null) throw new ProtocolError("Malformed identification");
  if (!/^(2\.\d+|1\.99)$/.test(version[1]!)) {
    throw new ProtocolError(
      `The ${from} speaks SSH protocol ${printable(version[1]!, 16)}, not 2.0`,
      { disconnectReason: DISCONNECT.PROTOCOL_VERSION_NOT_SUPPORTED },
    );
  }
  return line;
}

function refuse(said: string, from: "client" | "server", why?: string): ConnectError {
  const quote = printable(said, 80).trim();
  const answer = quote ? `it said "${quote}"` : why ?? "it sends binary data";
  const advice = from === "server" ? "; check the host and the port" : "";
  return new ConnectError(`The ${from} does not speak SSH: ${answer}${advice}`);
}

/** One character per byte, so that the exchange hash covers exactly the bytes sent. */
function decode(line: number[]): string {
  return String.fromCharCode(...line);
}

/** The bytes of an identification as the peer sent them, without CR LF. */
export function identificationBytes(line: string): Uint8Array {
  return Uint8Array.from(line, (character) => character.charCodeAt(0));
}
