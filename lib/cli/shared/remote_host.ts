/** Connects `sftp` and `scp` to a host: with a login here, an `ssh` program, or a server started here. */
import type { Client } from "../../client/client.ts";
import { SFTP_TIMEOUT_MS } from "../../defaults.ts";
import { runtime } from "../../runtime/runtime.ts";
import { type SftpChannel, streamChannel } from "../../sftp/protocol/channel.ts";
import { SftpClient } from "../../sftp/client.ts";
import { serverReadsLinkFirst } from "../../sftp/protocol/server_quirks.ts";
import { COPY_OPTIONS, type CopyFlags } from "./copy_flags.ts";
import type { Destination } from "../../client/options.ts";
import { describeFailure, messageOf } from "./failure.ts";
import { UsageError } from "./flags.ts";
import { type Log, writeIfRead } from "./log.ts";
import { logIn, placeOf } from "./login.ts";
import { splitWords } from "./split_words.ts";
import { type SshOptions, sshOptions } from "./ssh_options.ts";

/** A program that runs on the host. */
export interface RemoteProgram {
  readonly channel: SftpChannel;
  /** Its exit code, once it has ended; null if it has none. */
  readonly code: Promise<number | null>;
}

/** A host after the login. */
export interface RemoteHost extends AsyncDisposable {
  /** Starts a command. */
  run(command: string): Promise<RemoteProgram>;
  /** Starts SFTP; `requestLength` is the most bytes of one read or write. */
  sftp(requestLength: number | null): Promise<SftpClient>;
  /** Describes a failure in the words of `ssh`. */
  describe(error: unknown): string;
}

/** Logs in to a host; a target of null means this machine, with `-D`. */
export async function openRemoteHost(
  target: Destination | null,
  flags: CopyFlags,
  log: Log,
): Promise<RemoteHost> {
  if (flags.server !== null) return direct(flags.server, flags, log);
  if (target === null) throw new TypeError("A host is missing");
  if (flags.program !== null) return throughProgram(target, flags.program, flags);
  return await throughLogin(target, flags, log);
}

async function throughLogin(target: Destination, flags: CopyFlags, log: Log): Promise<RemoteHost> {
  const options = await optionsFor(target, flags);
  const place = placeOf(target, options);
  const describe = (error: unknown) => describeFailure(error, place);
  let client: Client;
  try {
    // Copies do not forward the agent, so ForwardAgent must not prevent sharing a control master.
    const without = { ...options, ForwardAgent: false };
    client = await logIn(place, without, log, flags.hops, flags.connections);
  } catch (error) {
    throw new RemoteHostError(describe(error), { cause: error });
  }
  const run = async (command: string): Promise<RemoteProgram> => {
    const process = await client.command(command).spawn();
    const { readable, writable } = { readable: process.stdout, writable: process.stdin };
    const said = show(process.stderr);
    const code = process.status.then(async (status) => {
      await said;
      return status.code;
    });
    code.catch(() => {}); // reported when awaited
    return { channel: streamChannel(readable, writable), code };
  };
  return {
    describe,
    run,
    async sftp(length) {
      const { subsystem } = flags;
      const timeout = requestTimeout(options);
      if (!isPath(subsystem)) return await client.sftp({ ...lengthOf(length), subsystem, timeout });
      const { channel } = await run(subsystem);
      const linkFirst = serverReadsLinkFirst(client.info.server);
      return await SftpClient.open(channel, { ...lengthOf(length), linkFirst, timeout });
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}

/** Whether `-s` names a program on the host rather than a subsystem. */
function isPath(subsystem: string): boolean {
  return subsystem.includes("/");
}

async function optionsFor(
  target: Destination,
  { said, file, subsystem }: CopyFlags,
): Promise<SshOptions> {
  // For `Match`, as with `ssh -s sftp`.
  const type = isPath(subsystem) ? [] : [{ name: "SessionType", value: "subsystem" }];
  try {
    return await sshOptions([...said, ...type], { target, file, command: subsystem });
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new RemoteHostError(`ssh: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Milliseconds for the answer to each request, limited by ServerAliveInterval and ServerAliveCountMax: sshd
 * may answer keepalives while its SFTP server hangs.
 */
export function requestTimeout(
  { ServerAliveInterval = 0, ServerAliveCountMax = 3 }: Partial<SshOptions>,
): number {
  const alive = ServerAliveInterval * ServerAliveCountMax;
  return alive === 0 ? SFTP_TIMEOUT_MS : Math.min(Math.max(alive, LEAST_MS), SFTP_TIMEOUT_MS);
}

/** The shortest time-out, because a disk may be asleep. */
const LEAST_MS = 10_000;

function lengthOf(requestLength: number | null): { requestLength?: number } {
  return requestLength === null ? {} : { requestLength };
}

/** Copies a program's standard error to that of this process, as `ssh` does. */
async function show(stderr: ReadableStream<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of stderr) writeIfRead(runtime.terminal.stderr, chunk);
  } catch {
    // The channel is closed, which is reported elsewhere.
  }
}

/** A host could not be reached; the message is for the user. */
export class RemoteHostError extends Error {
  /** Creates the error. */
  constructor(message: string, options: ErrorOptions) {
    super(message, options);
    this.name = "RemoteHostError";
  }
}

function throughProgram(target: Destination, program: string, flags: CopyFlags): RemoteHost {
  const args = [...COPY_OPTIONS.map(({ name, value }) => `-o${name}=${value}`), ...flags.passed];
  if (target.port !== null) args.push(`-oPort=${target.port}`);
  if (target.user !== null) args.push(`-oUser=${target.user}`);
  const children: RemoteProgram[] = [];
  const start = (...last: string[]): RemoteProgram => {
    const child = spawned(program, [...args, ...last]);
    children.push(child);
    return child;
  };
  return {
    describe: messageOf,
    run: (command) => Promise.resolve(start("--", target.hostname, command)),
    sftp: (length) => {
      const { subsystem } = flags;
      const { channel } = start(
        ...isPath(subsystem) ? [] : ["-s"],
        "--",
        target.hostname,
        subsystem,
      );
      return SftpClient.open(channel, lengthOf(length));
    },
    async [Symbol.asyncDispose]() {
      for (const { channel, code } of children) {
        await channel.close();
        await code;
      }
    },
  };
}

function direct(command: string, flags: CopyFlags, log: Log): RemoteHost {
  const [program, ...args] = splitWords(command).map(({ text }) => text);
  let child: RemoteProgram | null = null;
  return {
    describe: messageOf,
    run: () => Promise.reject(new TypeError("-D is for SFTP only")),
    sftp: (length) => {
      child = spawned(program!, args);
      if (!flags.quiet) log.info(`Attached to ${command}.`);
      return SftpClient.open(child.channel, lengthOf(length));
    },
    async [Symbol.asyncDispose]() {
      await child?.channel.close();
      await child?.code;
    },
  };
}

/** Starts a program on this machine, with its standard streams as the channel. */
function spawned(program: string, args: readonly string[]): RemoteProgram {
  const child = runtime.programs.spawn(program, {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  });
  const reader = child.stdout.getReader();
  const writer = child.stdin.getWriter();
  const code = child.status.then((status) => status.code);
  const ended = (): void => void writer.close().catch(() => {});
  return {
    code,
    channel: {
      async readChunk() {
        return (await reader.read()).value ?? null;
      },
      async writeAll(...chunks) {
        for (const chunk of chunks) await writer.write(chunk.slice());
      },
      closeWrite: () => writer.close(),
      async close() {
        ended();
        await reader.cancel().catch(() => {});
      },
    },
  };
}
