const COLUMNS = 17;
const ROWS = 9;
/** From never visited to often; the last two mark the start and the end. */
const MARKS = " .o+=*BOX@%&#/^SE";
const START = MARKS.length - 2;
const END = MARKS.length - 1;

/**
 * A digest as a picture that people recognize, as OpenSSH draws it: a bishop walks diagonally, two
 * bits a step, and leaves its traces.
 *
 * @param digest The bytes of the fingerprint
 * @param title What stands above, such as `ED25519 256`
 * @param hash What stands below, such as `SHA256`
 */
export function randomart(digest: Uint8Array, title: string, hash: string): string {
  const field = Array.from({ length: ROWS }, () => new Uint8Array(COLUMNS));
  let x = (COLUMNS - 1) / 2;
  let y = (ROWS - 1) / 2;
  const [startX, startY] = [x, y];
  for (const byte of digest) {
    for (let bits = 0; bits < 8; bits += 2) {
      x = clamp(x + (byte >> bits & 1 ? 1 : -1), COLUMNS);
      y = clamp(y + (byte >> bits & 2 ? 1 : -1), ROWS);
      if (field[y]![x]! < START - 1) field[y]![x]!++;
    }
  }
  field[startY]![startX] = START;
  field[y]![x] = END;
  const rows = field.map((row) => `|${Array.from(row, (visits) => MARKS[visits]).join("")}|`);
  return [border(`[${title}]`), ...rows, border(`[${hash}]`)].join("\n");
}

function clamp(at: number, size: number): number {
  return Math.min(Math.max(at, 0), size - 1);
}

function border(label: string): string {
  const before = Math.floor((COLUMNS - label.length) / 2);
  return `+${("-".repeat(before) + label).padEnd(COLUMNS, "-")}+`;
}
