/**
 * A time as OpenSSH's files and flags have it: `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`; with a
 * `Z` behind it in UTC, else in the local time.
 *
 * @returns The time, or null if the text is none
 */
export function parseTimestamp(text: string): Date | null {
  const match = /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z|UTC)?$/i.exec(text);
  if (match === null) return null;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7)
    .map((digits) => digits === undefined ? 0 : Number(digits));
  const utc = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  // A day or an hour too many would have made it another date.
  const real = utc.getUTCMonth() === month - 1 && utc.getUTCDate() === day &&
    utc.getUTCHours() === hour && utc.getUTCMinutes() === minute;
  if (!real || year < 1970 || second > 59) return null;
  return match[7] === undefined ? new Date(year, month - 1, day, hour, minute, second) : utc;
}
