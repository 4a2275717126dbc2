import { printable } from "../../errors.ts";
import type { SftpChannel } from "../protocol/channel.ts";

/** The most bytes of text to examine. */
const MAX_TEXT_BYTES = 1024;

const utf8 = new TextDecoder();

/**
 * Text that arrives instead of the protocol, for example from a shell's start-up file. It is recognized by
 * its first byte, because VERSION begins with a zero.
 */
export class StrayText {
  #state: "start" | "text" | "protocol" = "start";
  readonly #bytes: Uint8Array = new Uint8Array(MAX_TEXT_BYTES);
  #length = 0;

  /** Takes the next bytes; false if they are not text, and belong to the protocol. */
  take(bytes: Uint8Array): boolean {
    if (this.#state === "start" && bytes.length > 0) {
      this.#state = bytes[0] === 0 ? "protocol" : "text";
    }
    if (this.#state !== "text") return false;
    const piece = bytes.subarray(0, MAX_TEXT_BYTES - this.#length);
    this.#bytes.set(piece, this.#length);
    this.#length += piece.length;
    return true;
  }

  /** Whether enough has arrived: a whole line, or the most bytes to examine. */
  get complete(): boolean {
    return this.#length === MAX_TEXT_BYTES || /\S[^\n]*\n/.test(this.#text);
  }

  /** The first line that is not blank; empty if there is none. */
  get line(): string {
    return firstLine(this.#text);
  }

  get #text(): string {
    return utf8.decode(this.#bytes.subarray(0, this.#length));
  }
}

/** The first line that has arrived on a channel's standard error; empty if there is none. */
export function errorLine(channel: SftpChannel): string {
  const bytes = new Uint8Array(MAX_TEXT_BYTES);
  try {
    const count = channel.tryReadStderr?.(bytes) ?? 0;
    return firstLine(utf8.decode(bytes.subarray(0, count)));
  } catch {
    return ""; // nothing has arrived, or the channel is gone
  }
}

function firstLine(text: string): string {
  return printable(text.split("\n").find((line) => line.trim() !== "")?.trim() ?? "");
}
