import { FLEET_MAX_LINE } from "../defaults.ts";

/** A line of a command's output on one of the hosts. */
export interface FleetLine {
  /** The name of the host. */
  readonly host: string;
  /** The output stream. */
  readonly stream: "stdout" | "stderr";
  /** The line, without its line feed; a line of more than 64 KiB is split. */
  readonly text: string;
}

/** Reads chunks to their end, and calls back with each line; none is longer than a bound. */
export async function readLines(
  read: () => Promise<Uint8Array | null>,
  onLine: (text: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  const take = (text: string): void => {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) onLine(shortened(line.replace(/\r$/, "")));
    rest = shortened(rest);
  };
  /** Calls back with the pieces before the last one, which it returns. */
  const shortened = (line: string): string => {
    for (; line.length > FLEET_MAX_LINE; line = line.slice(FLEET_MAX_LINE)) {
      onLine(line.slice(0, FLEET_MAX_LINE));
    }
    return line;
  };
  for (let chunk; (chunk = await read()) !== null;) take(decoder.decode(chunk, { stream: true }));
  take(decoder.decode());
  if (rest !== "") onLine(rest);
}
