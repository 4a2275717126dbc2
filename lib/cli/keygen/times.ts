import { parseTime } from "../../config/values.ts";
import { parseTimestamp } from "../../keys/timestamp.ts";

/** The interval in which a certificate is valid; undefined for no limit. */
export interface Validity {
  readonly validAfter?: Date;
  readonly validBefore?: Date;
}

/** The interval of `-V` (ssh-keygen(1)): `+1w`, `-4w:+4w`, `20260101:forever`, `always:20270101Z`. */
export function parseValidity(text: string, now: Date): Validity {
  const wrong = new Error(`Invalid certificate life specification ${text}`);
  const colon = text.indexOf(":");
  if (text.startsWith("+") && colon < 0) {
    const milliseconds = parseTime(text.slice(1));
    if (milliseconds === null) throw wrong;
    // From the minute before, because clocks differ.
    const start = Math.floor((now.getTime() / 1000 - 59) / 60) * 60;
    return { validAfter: date(start), validBefore: after(now, milliseconds / 1000) };
  }
  if (colon < 0) throw wrong;
  const from = moment(text.slice(0, colon), "always", now);
  const to = moment(text.slice(colon + 1), "forever", now);
  if (from === null || to === null) throw wrong;
  if (from !== undefined && to !== undefined && from >= to) {
    throw new Error("Empty certificate validity interval");
  }
  return {
    ...(from !== undefined && { validAfter: from }),
    ...(to !== undefined && { validBefore: to }),
  };
}

/** A time; undefined for the word `open` (no limit), null if malformed. */
function moment(text: string, open: string, now: Date): Date | null | undefined {
  if (text === open) return undefined;
  if (text.startsWith("+") || text.startsWith("-")) {
    const milliseconds = parseTime(text.slice(1));
    if (milliseconds === null) return null;
    return after(now, (text.startsWith("-") ? -milliseconds : milliseconds) / 1000);
  }
  if (/^0x[0-9a-f]{1,11}$/i.test(text)) return date(Number(text));
  return parseTimestamp(text);
}

function after(now: Date, seconds: number): Date {
  return date(Math.floor(now.getTime() / 1000) + seconds);
}

function date(seconds: number): Date {
  return new Date(seconds * 1000);
}

/** Seconds since 1970 as the local time, in the form of ssh-keygen. */
export function localTime(seconds: bigint): string {
  // Out of the range of `Date`.
  const time = new Date(Number(seconds) * 1000);
  if (Number.isNaN(time.getTime())) return String(seconds);
  const [year, month, day] = [time.getFullYear(), time.getMonth() + 1, time.getDate()];
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()];
  const two = (number: number) => String(number).padStart(2, "0");
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}T${clock.map(two).join(":")}`;
}
