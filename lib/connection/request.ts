/**
 * How a remote command ended (RFC 4254 §6.10).
 *
 * @example
 * ```ts
 * import type { ExitStatus } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pair = await connectedPair({ handler: (session) => session.exitSignal("TERM") });
 * await using process = await pair.host.command("sleep 9").spawn();
 * const status: ExitStatus = await process.status;
 * assertEquals([status.success, status.code, status.signal], [false, null, "TERM"]);
 * ```
 */
export interface ExitStatus {
  /** Whether the exit code is 0. */
  readonly success: boolean;
  /** The exit code; null if a signal ended the command or the peer sent no status. */
  readonly code: number | null;
  /** The signal's name without SIG, or null. */
  readonly signal: string | null;
  /** Whether a core was dumped; only with a signal. */
  readonly coreDumped: boolean;
  /** What the peer says about the signal. */
  readonly message: string;
}

/**
 * A request of the peer's on a channel (RFC 4254 §5.4).
 *
 * @example
 * ```ts
 * import type { IncomingRequest } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pair = await connectedPair({
 *   handler: (session) => session.channel.request("hello@example.com", new Uint8Array([1, 2])),
 * });
 * await using channel = await pair.host.openSession();
 * const requests: IncomingRequest[] = [];
 * channel.handleRequests((request) => requests.push(request) > 0);
 * await channel.shell();
 * await channel.recvExitStatus();
 * assertEquals(requests[0], { type: "hello@example.com", data: new Uint8Array([1, 2]) });
 * ```
 */
export interface IncomingRequest {
  /** The request's name, such as `"exec"`. */
  readonly type: string;
  /** What follows the name, owned. */
  readonly data: Uint8Array;
}

/**
 * An answer: false refuses; a function accepts, and runs once the reply is on its way.
 *
 * @example
 * ```ts
 * import type { RequestAnswer } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pair = await connectedPair({
 *   handler: (session) => session.channel.request("hello@example.com", new Uint8Array([1, 2])),
 * });
 * await using channel = await pair.host.openSession();
 * const done: string[] = [];
 * const accept = (): RequestAnswer => () => done.push("after the reply");
 * channel.handleRequests(accept);
 * await channel.shell();
 * await channel.recvExitStatus();
 * assertEquals(done.includes("after the reply"), true);
 * ```
 */
export type RequestAnswer = boolean | (() => void);

/**
 * Answers the peer's requests on a channel.
 *
 * @example
 * ```ts
 * import type { RequestHandler } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pair = await connectedPair({
 *   handler: (session) => session.channel.request("hello@example.com", new Uint8Array([1, 2])),
 * });
 * await using channel = await pair.host.openSession();
 * const handler: RequestHandler = ({ type }) => type === "hello@example.com";
 * channel.handleRequests(handler);
 * await channel.shell();
 * assertEquals(await channel.recvExitStatus(), 0); // 1 if it had been refused
 * ```
 */
export type RequestHandler = (
  request: IncomingRequest,
) => RequestAnswer | Promise<RequestAnswer>;

/**
 * How a server tells that a program has ended.
 *
 * @example
 * ```ts
 * import type { Exit } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const exit: Exit = { signal: "SEGV", coreDumped: true, message: "sorry" };
 * await using pair = await connectedPair({ handler: ({ channel }) => channel.sendExit(exit) });
 * const { signal, message } = await pair.host.command("crash").output();
 * assertEquals([signal, message], ["SEGV", "sorry"]);
 * ```
 */
export type Exit =
  | {
    /** The exit code. */
    readonly code: number;
  }
  | {
    /** The signal's name without SIG. */
    readonly signal: string;
    /** Whether a core was dumped. */
    readonly coreDumped?: boolean;
    /** Words for the user. */
    readonly message?: string;
  };
