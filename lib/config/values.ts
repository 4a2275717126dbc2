/** The forms that the values of directives take, as ssh_config(5) describes them. */
import { printable } from "../errors.ts";
import { ArgumentError, type Arguments } from "./arguments.ts";

/** The largest number that OpenSSH, which is written in C, holds in an `int`. */
const INT_MAX = 2 ** 31 - 1;

/** One word. */
export const word = (args: Arguments): string => args.next();

/** All words of the line. */
export const words = (args: Arguments): string[] => args.all();

/** A command for a shell: everything up to the end of the line. */
export const command = (args: Arguments): string => args.raw();

/** One of some words, in any case; each stands for a value. */
export function choice<V>(values: Readonly<Record<string, V>>): (args: Arguments) => V {
  return (args) => {
    const given = args.next().toLowerCase();
    if (!Object.hasOwn(values, given)) throw unsupported(given);
    return values[given]!;
  };
}

/** `yes` or `no`, or their other names. */
export const flag: (args: Arguments) => boolean = choice({
  yes: true,
  true: true,
  no: false,
  false: false,
});

/** A whole number that is not negative. */
export function integer(args: Arguments): number {
  const text = args.next();
  if (!/^\s*[+-]?\d+$/.test(text)) throw new ArgumentError("integer value invalid.");
  const number = Number(text);
  if (number < 0) throw new ArgumentError("integer value too small.");
  if (number > INT_MAX) throw new ArgumentError("integer value too large.");
  return Math.abs(number);
}

/** A TCP port, by number or by the name of the one service that is ever meant. */
export function port(args: Arguments): number {
  const text = args.next();
  const number = portNumber(text);
  if (number === null || number === 0) throw new ArgumentError(`Bad port '${printable(text)}'.`);
  return number;
}

/** The number of a port, 0 among them; null if it is none. */
export function portNumber(text: string): number | null {
  if (text === "ssh") return 22;
  const number = /^\s*\+?\d+$/.test(text) ? Number(text) : NaN;
  return number <= 65535 ? number : null;
}

const UNIT_SECONDS: Readonly<Record<string, number>> = {
  "": 1,
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
  w: 604_800,
};

/** A time such as `90`, `10m` or `1h30m` in milliseconds; `none` leaves it open, as in ssh. */
export function time(args: Arguments): number | undefined {
  const text = args.optional();
  if (text === null || text === "") throw new ArgumentError("missing time value.");
  if (text === "none") return undefined;
  const milliseconds = parseTime(text);
  if (milliseconds === null) throw new ArgumentError("invalid time value.");
  return milliseconds;
}

/** A time of sshd_config(5), TIME FORMATS, in milliseconds; null if it is none. */
export function parseTime(text: string): number | null {
  // Each number is one of strtol(3), the last one alone may be without a unit.
  // Seconds may have a fraction since OpenSSH 10.3, which is dropped in the end.
  const form = /^(\s*[+-]?\d+[smhdw])*(\s*[+-]?\d+|\d*\.\d+s?)?$/i;
  if (!form.test(text) || text === "") return null;
  let seconds = 0;
  for (const [, number, unit] of text.matchAll(/([+-]?\d*\.?\d+)([a-z]?)/gi)) {
    if (Number(number) < 0) return null;
    seconds += Number(number) * UNIT_SECONDS[unit!.toLowerCase()]!;
  }
  return seconds > INT_MAX ? null : Math.floor(seconds) * 1000;
}

/** A number of bytes such as `1G` or `1.5M`; `default` is 0. */
export function bytes(args: Arguments): number {
  const text = args.next();
  if (text === "default") return 0;
  // As in ssh, no digits are 0, and behind a unit comes whatever is neither letter nor digit.
  const parts = /^\s*([+-]?)(\d*)(?:\.(\d*))?(?:([bkmgtpe])(?![a-z0-9]).*)?$/is.exec(text);
  if (!parts) throw new ArgumentError(`Bad number '${printable(text)}'`);
  const [, sign, whole, fraction, unit = "b"] = parts;
  const scale = 1024 ** "bkmgtpe".indexOf(unit.toLowerCase());
  const size = Math.floor(Number(`${whole || "0"}.${fraction || "0"}`) * scale);
  if (size >= 2 ** 63) throw new ArgumentError(`Bad number '${printable(text)}'`);
  const number = sign === "-" && size > 0 ? -size : size;
  if (number !== 0 && number < 16) throw new ArgumentError("RekeyLimit too small");
  return number;
}

/** A value that is not one of those that there are. */
export function unsupported(value: string): ArgumentError {
  return new ArgumentError(`unsupported option "${printable(value)}".`);
}
