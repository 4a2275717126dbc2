/**
 * Parses a time as in OpenSSH's files and flags: `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`; with a
 * trailing `Z` in UTC, else in local time.
 *
 * @returns The time, or null if the text is not one
 */
export function parseTimestamp(text: string): Date | null {
  const match = /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z|UTC)?$/i.exec(text);
  if (match === null) return null;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7)
    .map((digits) => digits === undefined ? 0 : Number(digits));
  const utc = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  // `Date` would convert a day or an hour out of range to another date.
  const real = utc.getUTCMonth() === month - 1 && utc.getUTCDate() === day &&
    utc.getUTCHours() === hour && utc.getUTCMinutes() === minute;
  if (!real || year < 1970 || second > 59) return null;
  return match[7] === undefined ? new Date(year, month - 1, day, hour, minute, second) : utc;
}
