import type { Session, SessionHandler } from "../session/session.ts";
import { tell } from "../listener.ts";

/** Wraps a handler in another one, which runs before, after or instead of it. */
export type Middleware = (next: SessionHandler) => SessionHandler;

/**
 * Adds layers around a handler; the first is the outermost.
 *
 * @param handler The handler
 * @param layers The layers
 * @returns The handler for `serve()`
 *
 * @example
 * ```ts
 * import {
 *   allowPrograms,
 *   layered,
 *   logSessions,
 *   rateLimit,
 * } from "@denossh/ssh/server";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const log: string[] = [];
 * await using pair = await connectedPair({
 *   handler: layered(
 *     (session) => session.print("hello"),
 *     logSessions(({ user, program, code }) =>
 *       log.push(`${user} ${program} ${code}`)
 *     ),
 *     rateLimit({ sessions: 10, seconds: 60 }),
 *     allowPrograms((program) => program === "greet"),
 *   ),
 * });
 * assertEquals(await pair.host.run("greet"), "hello");
 * assertEquals((await pair.host.command("rm -r /").output()).code, 126);
 * assertEquals(log, ["tester greet 0", "tester rm -r / 126"]);
 * ```
 */
export function layered(handler: SessionHandler, ...layers: readonly Middleware[]): SessionHandler {
  const run = layers.reduceRight((next, layer) => layer(next), handler);
  const { hasTerminals } = handler;
  return Object.assign(
    (session: Session) => run(session),
    hasTerminals === undefined ? {} : { hasTerminals },
  );
}

/** A finished session, for logs. */
export interface SessionReport {
  /** The user's name, as authentication accepted it. */
  readonly user: string;
  /** The client's address, if the connection has one. */
  readonly remoteAddr: Deno.Addr | null;
  /** The command or subsystem, as the client sent it; null for a shell. Untrusted text. */
  readonly program: string | null;
  /** The return value of the handler; null if it returned nothing or failed. */
  readonly code: number | null;
  /** Its duration in milliseconds. */
  readonly milliseconds: number;
  /** The error that the handler threw. */
  readonly error?: unknown;
}

/**
 * Calls a log for each finished session; errors of the log are ignored.
 *
 * @example
 * ```ts
 * import { layered, logSessions } from "@denossh/ssh/server";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const log: string[] = [];
 * const logged = logSessions(({ user, program }) =>
 *   log.push(`${user}: ${program}`)
 * );
 * await using pair = await connectedPair({
 *   handler: layered(() => 0, logged),
 * });
 * await pair.host.run("uptime");
 * assertEquals(log, ["tester: uptime"]);
 * ```
 */
export function logSessions(log: (report: SessionReport) => unknown): Middleware {
  return (next) => async (session) => {
    const start = performance.now();
    const { user, remoteAddr } = session;
    const told = (outcome: Pick<SessionReport, "code" | "error">) => {
      const milliseconds = performance.now() - start;
      tell(log, { user, remoteAddr, program: programOf(session), milliseconds, ...outcome });
    };
    try {
      const code = await next(session) ?? 0;
      told({ code });
      return code;
    } catch (error) {
      told({ code: null, error });
      throw error;
    }
  };
}

/** The exit code of shells for a command that must not run. */
const NOT_PERMITTED = 126;

/**
 * Runs only allowed commands; others get a message and the exit code 126.
 *
 * @param allows Called with the command or subsystem, null for a shell; only `true` allows it
 *
 * @example
 * ```ts
 * import { allowPrograms, layered } from "@denossh/ssh/server";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const some = allowPrograms((program) =>
 *   ["status", "restart"].includes(program ?? "")
 * );
 * await using pair = await connectedPair({ handler: layered(() => 0, some) });
 * assertEquals((await pair.host.command("status").output()).code, 0);
 * assertEquals((await pair.host.command("reboot").output()).code, 126);
 * ```
 */
export function allowPrograms(
  allows: (program: string | null, session: Session) => boolean | Promise<boolean>,
): Middleware {
  return (next) => async (session) => {
    if (await allows(programOf(session), session) === true) return await next(session);
    await session.printError("This is not allowed here.\n");
    return NOT_PERMITTED;
  };
}

/** Options of {@linkcode rateLimit}: how many sessions a user may start. */
export interface RateLimitOptions {
  /** How many sessions a user may start within {@linkcode RateLimitOptions.seconds}. */
  readonly sessions: number;
  /** The length of that time. */
  readonly seconds: number;
}

/** The most users to remember; the one that was inactive for longest is dropped first. */
const MAX_USERS = 65_536;

/**
 * Refuses sessions of a user beyond a rate: the client gets a message and the exit code 75.
 *
 * @example
 * ```ts
 * import { layered, rateLimit } from "@denossh/ssh/server";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const slow = rateLimit({ sessions: 1, seconds: 60 });
 * await using pair = await connectedPair({ handler: layered(() => 0, slow) });
 * assertEquals((await pair.host.command("a").output()).code, 0);
 * assertEquals((await pair.host.command("b").output()).code, 75);
 * ```
 */
export function rateLimit({ sessions, seconds }: RateLimitOptions): Middleware {
  const starts = new Map<string, number[]>();
  return (next) => async (session) => {
    const now = performance.now();
    const recent = (starts.get(session.user) ?? []).filter((at) => now - at < seconds * 1000);
    starts.delete(session.user);
    starts.set(session.user, recent);
    if (starts.size > MAX_USERS) starts.delete(starts.keys().next().value!);
    if (recent.length >= sessions) {
      await session.printError("Too many sessions: try again later.\n");
      return TRY_LATER;
    }
    recent.push(now);
    return await next(session);
  };
}

/** EX_TEMPFAIL of sysexits.h. */
const TRY_LATER = 75;

function programOf({ command, subsystem }: Session): string | null {
  return command ?? subsystem;
}
