/** `scp -O`: an `scp` on each host, with the old scp protocol between them. */
import type { SftpChannel } from "../../sftp/protocol/channel.ts";
import type { Operand, RemoteOperand } from "../shared/operands.ts";
import { ProgressMeter } from "../shared/progress_meter.ts";
import type { RemoteHosts, ScpJob } from "./job.ts";
import { type ScpCopyOptions, ScpProtocol } from "./scp_protocol.ts";
import { receiveAll } from "./sink.ts";
import { sendAll } from "./source.ts";
import { transferLimits } from "../shared/copy_flags.ts";
import { globMatcher } from "../../patterns.ts";
import { quote } from "../../quote.ts";
import { bytesChannel, STANDARD_STREAMS } from "../shared/stdio_channel.ts";

/**
 * Copies one source; at least one end is on another machine.
 *
 * @returns Whether all of it was copied
 */
export async function copyLegacy(
  job: ScpJob,
  hosts: RemoteHosts,
  source: Operand,
  target: Operand,
  many: boolean,
): Promise<boolean> {
  if ("local" in source) {
    if ("local" in target) throw new TypeError("Both are local");
    return await talk(
      job,
      hosts,
      target,
      `${command(job, "-t", many)} ${pathOf(target)}`,
      (scp) => sending(job, scp, [source.local]),
    );
  }
  const fetching = `${command(job, "-f", false)} ${pathOf(source)}`;
  if (!("local" in target)) return await between(job, hosts, source, target, fetching, many);
  return await talk(
    job,
    hosts,
    source,
    fetching,
    (scp) => receiving(job, scp, target.local, many, expectedOf(job, source.path)),
  );
}

/** `scp -t` and `scp -f`: the other half of the protocol, on the standard streams. */
export async function serveLegacy(
  job: ScpJob,
  role: "sink" | "source",
  paths: readonly string[],
): Promise<number> {
  const channel = bytesChannel(STANDARD_STREAMS);
  const scp = new ScpProtocol(channel);
  const quiet = { ...job, progress: false };
  const done = role === "source"
    ? await sending(quiet, scp, paths)
    : await receiving(quiet, scp, paths[0]!, job.intoFolder, () => true);
  await channel.closeWrite();
  return done ? 0 : 1;
}

function command({ recursive, preserve, log }: ScpJob, role: "-t" | "-f", many: boolean): string {
  const verbose = log.isVerbose ? " -v" : "";
  const flags = `${recursive ? " -r" : ""}${preserve ? " -p" : ""}${many ? " -d" : ""}`;
  return `scp${verbose}${flags} ${role}`;
}

/** The path for the host's shell, which expands it; as in scp(1) with -O, the user must quote it. */
function pathOf({ path }: RemoteOperand): string {
  const shown = path === "" ? "." : path;
  return shown.startsWith("-") ? `-- ${shown}` : shown;
}

/**
 * Tests the names received for a path against its last step (CVE-2019-6111). A step that is quoted for the
 * host's shell matches nothing, as in OpenSSH's scp; -T disables the test.
 */
function expectedOf({ trusting }: ScpJob, path: string): (name: string) => boolean {
  const last = path.replace(/\/+$/, "").split("/").at(-1) ?? "";
  // The folder is given another name here.
  if (trusting || last === "" || /^(\.{1,2}|~.*)$/.test(last)) return () => true;
  const patterns = alternatives(last);
  return (name) => patterns.some((pattern) => pattern === name || globMatcher(pattern)(name));
}

/** The most alternatives of a pattern. */
const MAX_ALTERNATIVES = 256;

/** Expands braces as a shell does: `a{b,c}` is `ab` and `ac`. */
function alternatives(pattern: string): string[] {
  let patterns = [pattern];
  for (;;) {
    const next = patterns.flatMap((one) => {
      const [, before, inside, behind] = /^(.*?)\{([^{}]*,[^{}]*)\}(.*)$/s.exec(one) ?? [];
      if (inside === undefined) return [one];
      return inside.split(",").map((choice) => `${before}${choice}${behind}`);
    });
    if (next.length === patterns.length || next.length > MAX_ALTERNATIVES) return patterns;
    patterns = next;
  }
}

async function talk(
  job: ScpJob,
  hosts: RemoteHosts,
  { target }: RemoteOperand,
  command: string,
  run: (scp: ScpProtocol) => Promise<boolean>,
): Promise<boolean> {
  const host = await hosts.host(target);
  job.log.verbose(`Sending command: ${command}`);
  const { channel, code } = await host.run(command);
  let done = false;
  try {
    done = await run(new ScpProtocol(channel));
    await channel.closeWrite().catch(() => {});
    if (await code !== 0) done = false;
  } finally {
    await channel.close();
  }
  return done;
}

function sending(job: ScpJob, scp: ScpProtocol, paths: readonly string[]): Promise<boolean> {
  return copying(job, (how) => sendAll(paths, scp, how));
}

function receiving(
  job: ScpJob,
  scp: ScpProtocol,
  target: string,
  intoFolder: boolean,
  expected: (name: string) => boolean,
): Promise<boolean> {
  return copying(job, (how) => receiveAll(target, scp, { ...how, intoFolder, expected }));
}

/** Runs a copy, draws its progress and reports failures; resolves to whether there were none. */
async function copying(
  job: ScpJob,
  run: (how: ScpCopyOptions) => Promise<void>,
): Promise<boolean> {
  const { recursive, preserve, signal, log } = job;
  let done = true;
  const failed = (message: string): void => {
    done = false;
    log.error(message.startsWith("scp: ") ? message : `scp: ${message}`);
  };
  using meter = new FileMeter();
  const onProgress = job.progress ? { onProgress: meter.update } : {};
  const { rateLimit: rate = null } = transferLimits(job);
  await run({ recursive, preserve, signal, rate, failed, ...onProgress });
  return done;
}

/** Copies between two hosts by connecting their programs. */
async function between(
  job: ScpJob,
  hosts: RemoteHosts,
  source: RemoteOperand,
  target: RemoteOperand,
  fetching: string,
  many: boolean,
): Promise<boolean> {
  const from = await (await hosts.host(source.target)).run(fetching);
  const to = await (await hosts.host(target.target)).run(
    `${command(job, "-t", many)} ${pathOf(target)}`,
  );
  await Promise.all([pump(from.channel, to.channel), pump(to.channel, from.channel)]);
  const codes = await Promise.all([from.code, to.code]);
  return codes.every((code) => code === 0);
}

async function pump(from: SftpChannel, to: SftpChannel): Promise<void> {
  try {
    for (let chunk; (chunk = await from.readChunk()) !== null;) await to.writeAll(chunk);
  } finally {
    await to.closeWrite().catch(() => {});
  }
}

/**
 * -R: starts an `scp` on the first host, which logs in to the second.
 *
 * @returns Whether it succeeded
 */
export async function copyByFirstHost(
  job: ScpJob,
  hosts: RemoteHosts,
  source: RemoteOperand,
  { target, path }: RemoteOperand,
): Promise<boolean> {
  const user = target.user === null ? "" : `${target.user}@`;
  const port = target.port === null ? "" : ` -P ${target.port}`;
  const protocol = job.legacy ? " -O" : "";
  const flags = `${protocol}${job.recursive ? " -r" : ""}${job.preserve ? " -p" : ""}${port}`;
  const host = await hosts.host(source.target);
  const { channel, code } = await host.run(
    `scp${flags} ${pathOf(source)} ${quote(`${user}${target.hostname}:${path}`)}`,
  );
  while (await channel.readChunk() !== null);
  return await code === 0;
}

/** Draws the progress of one file after the other. */
class FileMeter implements Disposable {
  #started = 0;
  #name = "";
  #meter: ProgressMeter | null = null;

  readonly update = (name: string, transferred: number, total: number): void => {
    if (this.#meter === null || name !== this.#name) {
      this[Symbol.dispose]();
      this.#meter = new ProgressMeter(name);
      this.#name = name;
      this.#started = performance.now();
    }
    const rate = transferred / Math.max((performance.now() - this.#started) / 1000, 0.001);
    this.#meter.update({ transferred, total, rate });
  };

  [Symbol.dispose](): void {
    this.#meter?.[Symbol.dispose]();
    this.#meter = null;
  }
}
