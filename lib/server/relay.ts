import type { Channel } from "../connection/channel.ts";
import type { Session } from "../session/session.ts";
import type { SignalName } from "../wire/numbers.ts";
import { onAbort } from "../waiting.ts";
import { Asciicast } from "./asciicast.ts";

/** Where a session can be handed on to; what `connect()` returns is one. */
export interface RelayTarget {
  /** Opens a session channel that nothing runs on yet. */
  openSession(options?: { readonly signal?: AbortSignal }): Promise<Channel>;
}

/** How {@linkcode relay} hands a session on. */
export interface RelayOptions {
  /** What runs there; what the client asked for unless given. */
  readonly command?: string;
  /**
   * Takes a recording of what the client sees, as lines of asciicast version 2, which `asciinema play`
   * shows; closed at the end. What the client types is not in it. If it fails, so does the session: an
   * audit has no gaps.
   */
  readonly record?: WritableStream<string>;
}

/**
 * Hands a client's session on to another server: its program, terminal, variables, streams, signals,
 * window sizes and exit status. With a policy of your own before it, this is a bastion.
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

/** The exit code of a program that ends without one, as OpenSSH's client has it. */
const NO_STATUS = 255;

async function start(session: Session, channel: Channel, command: string | null): Promise<void> {
  const { env, pty, subsystem, signal } = session;
  await channel.updateEnv(env);
  if (pty !== null) await channel.requestPty({ ...pty, signal });
  if (subsystem !== null) await channel.subsystem(subsystem, { signal });
  else if (command !== null) await channel.exec(command, { signal });
  else await channel.shell({ signal });
}

/** Gives the program what the client sends, and its end. */
async function feed(client: Channel, program: Channel): Promise<void> {
  try {
    await pump(() => client.readChunk(), (chunk) => program.writeAll(chunk));
    await program.closeWrite();
  } catch {
    // The program reads no more: what it writes and how it ends still counts.
    client.discard("stdout");
  }
}

async function pump(
  read: () => Promise<Uint8Array<ArrayBuffer> | null>,
  write: (chunk: Uint8Array) => Promise<void>,
): Promise<void> {
  for (let chunk; (chunk = await read()) !== null;) await write(chunk);
}

/** What a client sends after the program has ended has nowhere to go. */
function whileOpen(channel: Channel, send: () => void): void {
  if (channel.isOpen) send();
}
