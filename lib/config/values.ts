/** Parsers for the values of directives (ssh_config(5)). */
import { printable } from "../errors.ts";
import { ArgumentError, type Arguments } from "./arguments.ts";

/** The largest `int` of OpenSSH. */
const INT_MAX = 2 ** 31 - 1;

/** One word. */
export const word = (args: Arguments): string => args.next();

/** All words of the line. */
export const words = (args: Arguments): string[] => args.all();

/** A command for a shell: the rest of the line. */
export const command = (args: Arguments): string => args.raw();

/** One of some words, ignoring case; each stands for a value. */
export function choice<V>(values: Readonly<Record<string, V>>): (args: Arguments) => V {
  return (args) => {
    const given = args.next().toLowerCase();
    if (!Object.hasOwn(values, given)) throw unsupported(given);
    return values[given]!;
  };
}

/** `yes` or `no`, or their synonyms. */
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

/** A TCP port, by number or as `ssh`, the only supported service name. */
export function port(args: Arguments): number {
  const text = args.next();
  const number = portNumber(text);
  if (number === null || number === 0) throw new ArgumentError(`Bad port '${printable(text)}'.`);
  return number;
}

/** The number of a port, including 0; null if malformed. */
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

/** A time such as `90`, `10m` or `1h30m`, in milliseconds; `none` leaves it unset, as in ssh. */
export function time(args: Arguments): number | undefined {
  const text = args.optional();
  if (text === null || text === "") throw new ArgumentError("missing time value.");
  if (text === "none") return undefined;
  const milliseconds = parseTime(text);
  if (milliseconds === null) throw new ArgumentError("invalid time value.");
  return milliseconds;
}

/** A time of sshd_config(5), TIME FORMATS, in milliseconds; null if malformed. */
export function parseTime(text: string): number | null {
  // Numbers are parsed as by strtol(3); only the last one may lack a unit. Since OpenSSH 10.3 seconds may
  // have a fraction, which is dropped.
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
  // As in ssh, missing digits mean 0, and a unit may be followed by anything but letters and digits.
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

/** The error for an unsupported value. */
export function unsupported(value: string): ArgumentError {
  return new ArgumentError(`unsupported option "${printable(value)}".`);
}
