import { CommandError, printable, SshError } from "../errors.ts";
import { plainMessage } from "../error_messages.ts";

/** The result of one host. */
export type FleetResult<T> = FleetSuccess<T> | FleetFailure;

/** The work on a host succeeded. */
export interface FleetSuccess<T> extends FleetEffort {
  /** Distinguishes success and failure. */
  readonly success: true;
  /** The value that the work returned. */
  readonly value: T;
}

/** The work on a host failed. */
export interface FleetFailure extends FleetEffort {
  /** Distinguishes success and failure. */
  readonly success: false;
  /** The error: a `CommandError`, a `ConnectError`, a `TimeoutError`, the reason of a signal, … */
  readonly error: unknown;
}

/** The attempts on a host. */
export interface FleetEffort {
  /** The name of the host. */
  readonly host: string;
  /** The number of attempts; 0 if the job was cancelled before. */
  readonly tries: number;
  /** Milliseconds from the first attempt to the end. */
  readonly milliseconds: number;
}

/**
 * The results of all hosts of a fleet, in the order of the hosts.
 *
 * @example
 * ```ts
 * import { FleetReport, type FleetResult } from "@denossh/ssh";
 * import { assertEquals } from "@std/assert";
 *
 * const results: FleetResult<string>[] = [
 *   {
 *     host: "web1",
 *     success: true,
 *     value: "up 3 days",
 *     tries: 1,
 *     milliseconds: 120,
 *   },
 *   {
 *     host: "web2",
 *     success: false,
 *     error: new Error("No route to host"),
 *     tries: 3,
 *     milliseconds: 9100,
 *   },
 * ];
 * const report = new FleetReport(results);
 * assertEquals([report.success, report.failed.map(({ host }) => host)], [
 *   false,
 *   ["web2"],
 * ]);
 * assertEquals(
 *   report.table(),
 *   `host  state   tries  time
 * web1  ok      1      0.1 s  up 3 days
 * web2  failed  3      9.1 s  No route to host`,
 * );
 * ```
 */
export class FleetReport<T> {
  /** A result for each host. */
  readonly results: readonly FleetResult<T>[];
  /** The hosts on which the work succeeded. */
  readonly succeeded: readonly FleetSuccess<T>[];
  /** The hosts on which it failed. */
  readonly failed: readonly FleetFailure[];
  /** Whether it succeeded on every host. */
  readonly success: boolean;

  /** Awaiting a job returns a report; the constructor makes one from results that a loop has collected. */
  constructor(results: readonly FleetResult<T>[]) {
    this.results = results;
    this.succeeded = results.filter((result) => result.success);
    this.failed = results.filter((result) => !result.success);
    this.success = this.failed.length === 0;
  }

  /**
   * A readable table: a line for each host, with the last line of its output.
   *
   * @param columns Maximum characters of a line; 120 by default
   */
  table({ columns = 120 }: { readonly columns?: number } = {}): string {
    const rows = this.results.map((result) => ({
      cells: [
        printable(result.host),
        result.success ? "ok" : "failed",
        `${result.tries}`,
        `${(result.milliseconds / 1000).toFixed(1)} s`,
      ],
      detail: detailOf(result),
    }));
    const lines = [{ cells: ["host", "state", "tries", "time"], detail: "" }, ...rows];
    const widthOf = (at: number) => Math.max(...lines.map(({ cells }) => cells[at]!.length));
    const widths = lines[0]!.cells.map((_, at) => widthOf(at));
    return lines.map(({ cells, detail }) => {
      const padded = cells.map((cell, at) => cell.padEnd(widths[at]!));
      const text = [...padded, detail].join("  ").trimEnd();
      return text.length > columns ? `${text.slice(0, columns - 1)}…` : text;
    }).join("\n");
  }

  /** For `JSON.stringify`: the {@linkcode resultJson} of each host. */
  toJSON(): FleetResultJson[] {
    return this.results.map(resultJson);
  }
}

/** A result in JSON. */
export interface FleetResultJson extends FleetEffort {
  /** Whether the work succeeded. */
  readonly success: boolean;
  /** The returned value, if it succeeded. */
  readonly value?: unknown;
  /** The error, if it failed. */
  readonly error?: FleetErrorJson;
}

/** An error in JSON. */
export interface FleetErrorJson {
  /** Such as `"CommandError"`. */
  readonly name: string;
  /** The message. */
  readonly message: string;
  /** The kind of an `SshError`, such as `"command"`. */
  readonly code?: string;
  /** The exit code of a command, null if a signal ended it. */
  readonly exitCode?: number | null;
  /** The standard output of a command. */
  readonly stdout?: string;
  /** The standard error of a command. */
  readonly stderr?: string;
}

/**
 * A result for `JSON.stringify`, which would otherwise show nothing of the error.
 *
 * @example
 * ```ts
 * import { resultJson } from "@denossh/ssh";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new TypeError("No user given");
 * const result = {
 *   host: "web1",
 *   success: false,
 *   error,
 *   tries: 1,
 *   milliseconds: 3,
 * } as const;
 * assertEquals(resultJson(result).error, {
 *   name: "TypeError",
 *   message: "No user given",
 * });
 * ```
 */
export function resultJson(result: FleetResult<unknown>): FleetResultJson {
  const { host, tries, success } = result;
  const milliseconds = Math.round(result.milliseconds);
  return result.success
    ? { host, success, value: result.value, tries, milliseconds }
    : { host, success, error: errorJson(result.error), tries, milliseconds };
}

function errorJson(error: unknown): FleetErrorJson {
  if (!(error instanceof Error)) return { name: typeof error, message: String(error) };
  const { name, message } = error;
  if (!(error instanceof CommandError)) {
    return { name, message, ...error instanceof SshError && { code: error.code } };
  }
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return {
    name,
    message,
    code: error.code,
    exitCode: error.exitCode,
    stdout: text(error.stdout),
    stderr: text(error.stderr),
  };
}

/** The text for a result in the table. */
function detailOf(result: FleetResult<unknown>): string {
  if (!result.success) {
    const { error } = result;
    return printable(plainMessage(error).split("\n")[0]!);
  }
  const { value } = result;
  if (isTransfer(value)) return `${value.files} files, ${value.bytes} bytes`;
  return ["string", "number", "boolean"].includes(typeof value)
    ? printable(String(value).trimEnd().split("\n").at(-1)!)
    : "";
}

function isTransfer(value: unknown): value is { files: number; bytes: number } {
  return typeof value === "object" && value !== null && "files" in value && "bytes" in value;
}
