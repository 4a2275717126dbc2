import { wiping } from "../crypto/wiping.ts";
import { MAX_PROMPTS } from "../defaults.ts";
import { printable, ProtocolError } from "../errors.ts";
import { UserauthInfoRequest, UserauthInfoResponse } from "../wire/messages.ts";
import { Reader } from "../wire/reader.ts";
import { Writer } from "../wire/writer.ts";

/** Maximum length of a prompt's line, in characters; the rest is dropped, since prompts are only shown. */
const MAX_LINE = 1024;

/** One question of keyboard-interactive authentication. */
export interface Prompt {
  /** The question. */
  readonly text: string;
  /** Whether the answer may be visible while it is typed. */
  readonly echo: boolean;
}

/** One challenge of a server, without control characters (RFC 4256 §3.2). */
export interface Challenge {
  /** A title, or `""`. */
  readonly name: string;
  /** Instructions, or `""`. */
  readonly instruction: string;
  /** The questions; may be empty. */
  readonly prompts: readonly Prompt[];
}

/** Text from the peer without control characters; line breaks are kept. */
export function cleanText(text: string, { maxLine = MAX_LINE } = {}): string {
  return text.split(/\r\n|\r|\n/).map((line) => printable(line, maxLine)).join("\n");
}

/** Encodes a challenge. */
export function encodeChallenge({ name, instruction, prompts }: Challenge): Uint8Array {
  const pairs = new Writer();
  for (const { text, echo } of prompts) pairs.text(text).bool(echo);
  return UserauthInfoRequest.encode({
    name,
    instruction,
    language: "",
    count: prompts.length,
    prompts: pairs.take(),
  });
}

/**
 * Decodes a challenge, without control characters.
 *
 * @throws {ProtocolError} If it is malformed or too long
 */
export function decodeChallenge(payload: Uint8Array): Challenge {
  const request = UserauthInfoRequest.decode(payload);
  if (request.count > MAX_PROMPTS) {
    throw new ProtocolError(
      `The server asks ${request.count} questions at a time, more than ${MAX_PROMPTS}`,
    );
  }
  const reader = new Reader(request.prompts);
  const prompts = Array.from({ length: request.count }, () => ({
    text: cleanText(reader.text()),
    echo: reader.bool(),
  }));
  reader.end();
  const { name, instruction } = request;
  return { name: cleanText(name), instruction: cleanText(instruction), prompts };
}

/** Encodes answers. */
export function encodeAnswers(answers: readonly string[]): Uint8Array {
  const texts = new Writer();
  for (const answer of answers) texts.text(answer);
  const count = answers.length;
  return wiping(texts.take(), (answers) => UserauthInfoResponse.encode({ count, answers }));
}

/**
 * Decodes answers; null if their number is not `expected`.
 *
 * @throws {ProtocolError} If it is malformed
 */
export function decodeAnswers(payload: Uint8Array, expected: number): string[] | null {
  const { count, answers } = UserauthInfoResponse.decode(payload);
  return wiping(answers, () => {
    if (count !== expected) return null;
    const reader = new Reader(answers);
    const texts = Array.from({ length: count }, () => reader.text());
    reader.end();
    return texts;
  });
}
