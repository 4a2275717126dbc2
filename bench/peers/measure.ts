import { run } from "../../tests/support/run.ts";

/** The cost of one run. */
export interface Measurement {
  /** Bytes of payload. */
  readonly bytes: number;
  /** Seconds from the start of the client to its end, including the connect. */
  readonly seconds: number;
  /** CPU seconds of the client, user and system. */
  readonly cpuSeconds: number;
}

/** The payload's direction, seen from the client. */
export type Direction = "down" | "up";

/** The remote command that sends or takes the payload. */
export function remoteCommand(direction: Direction, bytes: number): string {
  return direction === "down" ? `head -c ${bytes} /dev/zero` : "cat > /dev/null";
}

// bash's `time` counts only the client, neither the shell nor the program that feeds it.
const SCRIPTS: Readonly<Record<Direction, string>> = {
  down: `TIMEFORMAT='%R %U %S'; time "$@" < /dev/null > /dev/null`,
  up: `TIMEFORMAT='%R %U %S'; set -o pipefail
       head -c "$BYTES" /dev/zero | { time "$@" > /dev/null; }`,
};

/** Runs a client once and measures it from outside. */
export async function measure(
  commandLine: readonly string[],
  direction: Direction,
  bytes: number,
): Promise<Measurement> {
  const { code, stderr } = await run("bash", ["-c", SCRIPTS[direction], "bash", ...commandLine], {
    env: { BYTES: `${bytes}` },
    timeout: 600_000,
  });
  const [seconds, user, system] = (stderr.trim().split("\n").at(-1) ?? "").split(" ").map(Number);
  if (code !== 0 || !seconds || user === undefined || system === undefined) {
    throw new Error(`It failed with ${code}: ${stderr}`);
  }
  return { bytes, seconds, cpuSeconds: user + system };
}

/** Checks that every byte arrives, since a client that loses some would look fast. */
export async function verify(
  commandLine: (command: string) => string[],
  bytes: number,
): Promise<void> {
  const [down, ...downArgs] = commandLine(remoteCommand("down", bytes));
  const received = await run(down!, downArgs, { timeout: 60_000 });
  if (received.code !== 0 || received.stdout.length !== bytes) {
    throw new Error(`${received.stdout.length} of ${bytes} bytes came down: ${received.stderr}`);
  }
  const [up, ...upArgs] = commandLine("wc -c");
  const sent = await run(up!, upArgs, { stdin: new Uint8Array(bytes), timeout: 60_000 });
  if (sent.code !== 0 || Number(sent.text) !== bytes) {
    throw new Error(`${sent.text.trim()} of ${bytes} bytes came up: ${sent.stderr}`);
  }
}
