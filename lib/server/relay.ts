import type { Channel } from "../connection/channel.ts";
import type { Session } from "../session/session.ts";
import type { SignalName } from "../wire/numbers.ts";
import { onAbort } from "../waiting.ts";
import { Asciicast } from "./asciicast.ts";

/** The target of a session; the result of `connect()` is one. */
export interface RelayTarget {
  /** Opens a session channel without a program. */
  openSession(options?: { readonly signal?: AbortSignal }): Promise<Channel>;
}

/** Options of {@linkcode relay}. */
export interface RelayOptions {
  /** The program to run there; by default the one that the client requested. */
  readonly command?: string;
  /**
   * Receives a recording of the output, as lines of asciicast version 2 for `asciinema play`; closed at the
   * end. Input is not recorded. If writing fails, the session fails, too, so that an audit has no gaps.
   */
  readonly record?: WritableStream<string>;
}

/**
 * Forwards a client's session to another server: its program, terminal, variables, streams, signals,
 * window sizes and exit status. With a policy before it, this is a bastion.
 *
 * @param session The session of a handler
 * @param target The other server
 * @throws {RequestDeniedError} If the other server refuses the program or the terminal
 * @throws {SshError} If the connection to it is lost
 *
 * @example
 * ```ts
 * import { connect, none } from "@denossh/ssh";
 * import { relay } from "@denossh/ssh/server";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using inside = await connectedPair({
 *   handler: async (session) => {
 *     await session.print(`${session.command} inside\n`);
 *     return 3;
 *   },
 * });
 * await using bastion = await connectedPair({
 *   handler: async (session) => {
 *     if (session.command?.includes("rm ")) return 126; // a policy
 *     await relay(session, inside.host);
 *   },
 * });
 * const { code, stdout } = await bastion.host.command("uptime").output();
 * assertEquals([code, new TextDecoder().decode(stdout)], [
 *   3,
 *   "uptime inside\n",
 * ]);
 * assertEquals((await bastion.host.command("rm -r /").output()).code, 126);
 * ```
 */
export async function relay(
  session: Session,
  target: RelayTarget,
  options: RelayOptions = {},
): Promise<void> {
  const { signal } = session;
  const channel = await target.openSession({ signal });
  using _leaving = onAbort(signal, (reason) => channel.abort(reason));
  const recording = options.record ? new Asciicast(options.record, session) : null;
  try {
    await start(session, channel, options.command ?? session.command);
    session.onSignal((name) => whileOpen(channel, () => channel.sendSignal(name as SignalName)));
    session.onBreak((milliseconds) => whileOpen(channel, () => channel.sendBreak(milliseconds)));
    session.onResize((size) => {
      whileOpen(channel, () => channel.resizePty(size));
      recording?.resized(size);
    });
    feed(session.channel, channel);
    const { channel: client } = session;
    const [status] = await Promise.all([
      channel.exitStatus,
      pump(() => channel.readChunk(), async (chunk) => {
        await recording?.output(chunk);
        await client.writeAll(chunk);
      }),
      pump(() => channel.readStderrChunk(), async (chunk) => {
        await recording?.output(chunk);
        await client.writeAllStderr(chunk);
      }),
    ]);
    const { code, signal: ended, coreDumped, message } = status;
    if (ended !== null) session.exitSignal(ended, { coreDumped, message });
    else session.exit(code ?? NO_STATUS);
    await recording?.close();
  } catch (error) {
    recording?.abort(error);
    throw error;
  } finally {
    channel.abort();
  }
}

/** The exit code of a program that ends without one, as in OpenSSH's client. */
const NO_STATUS = 255;

async function start(session: Session, channel: Channel, command: string | null): Promise<void> {
  const { env, pty, subsystem, signal } = session;
  await channel.updateEnv(env);
  if (pty !== null) await channel.requestPty({ ...pty, signal });
  if (subsystem !== null) await channel.subsystem(subsystem, { signal });
  else if (command !== null) await channel.exec(command, { signal });
  else await channel.shell({ signal });
}

/** Forwards the client's input and its end to the program. */
async function feed(client: Channel, program: Channel): Promise<void> {
  try {
    await pump(() => client.readChunk(), (chunk) => program.writeAll(chunk));
    await program.closeWrite();
  } catch {
    // The program has stopped reading; its output and exit status still count.
    client.discard("stdout");
  }
}

async function pump(
  read: () => Promise<Uint8Array<ArrayBuffer> | null>,
  write: (chunk: Uint8Array) => Promise<void>,
): Promise<void> {
  for (let chunk; (chunk = await read()) !== null;) await write(chunk);
}

/** Input after the end of the program is discarded. */
function whileOpen(channel: Channel, send: () => void): void {
  if (channel.isOpen) send();
}
