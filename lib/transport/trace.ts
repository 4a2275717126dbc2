import { printable } from "../errors.ts";
import { tell } from "../listener.ts";
import { DATA_HEADER, EXTENDED_DATA_HEADER, peek32 } from "../wire/hot.ts";
import { MESSAGES } from "../wire/messages.ts";
import { MSG } from "../wire/numbers.ts";
import { messageName } from "./link.ts";

/** The value of a field in a trace. Bytes may be secret, so only their number is shown. */
export type TraceField = string | number | boolean | readonly string[];

/**
 * A message on the wire, as passed to `trace`. It contains no password, command or file content: of
 * bytes it has only the number.
 */
export interface TraceEvent {
  /** The direction; `waiting` if data could not be sent because the peer's window is full. */
  readonly direction: "sent" | "received" | "waiting";
  /** The message's name without `SSH_MSG_`, or `message N` if its meaning depends on the current method. */
  readonly name: string;
  /** Its number (RFC 4250 §4.1.2). */
  readonly number: number;
  /** Bytes of payload, including fields. */
  readonly length: number;
  /** Its fields by name; empty if they depend on the current method. */
  readonly fields: Readonly<Record<string, TraceField>>;
}

/**
 * Formats a trace event as one line.
 *
 * @param event The event
 * @returns Such as `sent CHANNEL_OPEN type=session sender=0 window=2097152 …`
 *
 * @example
 * ```ts
 * import { traceLine } from "@denossh/ssh";
 * import { assertEquals } from "@std/assert";
 *
 * const event = {
 *   direction: "sent",
 *   name: "CHANNEL_EOF",
 *   number: 96,
 *   length: 5,
 * } as const;
 * assertEquals(
 *   traceLine({ ...event, fields: { recipient: 3 } }),
 *   "sent CHANNEL_EOF recipient=3",
 * );
 * ```
 */
export function traceLine({ direction, name, fields }: TraceEvent): string {
  const words = Object.entries(fields).map(([field, value]) => `${field}=${value}`);
  return [direction, name, ...words].join(" ");
}

/** The messages without a row in the table, which are read and written by hand. */
const BY_HAND: ReadonlyMap<number, readonly [name: string, ...fields: string[]]> = new Map([
  [MSG.CHANNEL_WINDOW_ADJUST, ["CHANNEL_WINDOW_ADJUST", "recipient", "bytes"]],
  [MSG.CHANNEL_DATA, ["CHANNEL_DATA", "recipient", "bytes"]],
  [MSG.CHANNEL_EXTENDED_DATA, ["CHANNEL_EXTENDED_DATA", "recipient", "type", "bytes"]],
]);

/** The key exchange defines messages 30 to 49, the login method 60 to 79 (RFC 4250 §4.1.2). */
const isOfMethod = (number: number) => /^([34]|[67])\d$/.test(`${number}`);

/** Reports the messages on the wire. */
export class Trace {
  readonly #listener: (event: TraceEvent) => void;

  constructor(listener: (event: TraceEvent) => void) {
    this.#listener = listener;
  }

  sent(payload: Uint8Array): void {
    this.#message("sent", payload);
  }

  received(payload: Uint8Array): void {
    this.#message("received", payload);
  }

  /** Channel data, which is sealed without an intermediate copy. */
  sentData(recipient: number, type: number, length: number): void {
    const number = type === 0 ? MSG.CHANNEL_DATA : MSG.CHANNEL_EXTENDED_DATA;
    const fields = { recipient, ...(type !== 0 && { type }), bytes: length };
    this.#say("sent", number, (type === 0 ? DATA_HEADER : EXTENDED_DATA_HEADER) + length, fields);
  }

  /** A writer waits for the peer's window. */
  waiting(recipient: number): void {
    this.#say("waiting", MSG.CHANNEL_DATA, 0, { recipient, window: 0 });
  }

  #message(direction: "sent" | "received", payload: Uint8Array): void {
    this.#say(direction, payload[0]!, payload.length, fieldsOf(payload));
  }

  #say(
    direction: TraceEvent["direction"],
    number: number,
    length: number,
    fields: Readonly<Record<string, TraceField>>,
  ): void {
    tell(this.#listener, { direction, name: nameOf(number), number, length, fields });
  }
}

function nameOf(number: number): string {
  return BY_HAND.get(number)?.[0] ?? messageName(number);
}

function fieldsOf(payload: Uint8Array): Record<string, TraceField> {
  const number = payload[0]!;
  const byHand = BY_HAND.get(number)?.slice(1);
  if (byHand !== undefined && payload.length > 4 * byHand.length) {
    return Object.fromEntries(byHand.map((name, i) => [name, peek32(payload, 1 + 4 * i)]));
  }
  const row = MESSAGES.get(number);
  if (row === undefined || isOfMethod(number)) return {};
  try {
    const fields = row.decode(payload) as Readonly<Record<string, unknown>>;
    return Object.fromEntries(
      Object.entries(fields).map(([name, value]) => [name, shown(value)]),
    );
  } catch {
    return {}; // it is malformed, and about to end the connection
  }
}

function shown(value: unknown): TraceField {
  if (value instanceof Uint8Array) return `${value.fill(0).length} bytes`; // may be a copy of secrets
  if (Array.isArray(value)) return value.map((name) => printable(String(name), 128));
  if (typeof value === "string") return printable(value, 256);
  return value as number | boolean;
}
