/**
 * Sends a file over SSH, fetches it back and compares both: with a server in this process, or with a real
 * one:
 * deno run -A examples/demo/main.ts [user@]host
 */
import { createHash } from "node:crypto";
import type { Client } from "../../lib/client/client.ts";
import { parseTarget } from "../../lib/client/options.ts";
import { randomBytes } from "../../lib/crypto/random.ts";
import { encodeHex } from "../../lib/encoding.ts";
import { printable, SshError } from "../../lib/errors.ts";
import { type DemoHost, embeddedHost } from "./host.ts";
import { describeFailure, messageOf } from "../../lib/cli/shared/failure.ts";
import { lastValue, parseMixed, UsageError } from "../../lib/cli/shared/flags.ts";
import { Log } from "../../lib/cli/shared/log.ts";
import { logIn, type LoginPlace, placeOf } from "../../lib/cli/shared/login.ts";
import { ProgressMeter, type ProgressState } from "../../lib/cli/shared/progress_meter.ts";
import { optionsOfFlag, type SshOptions, sshOptions } from "../../lib/cli/shared/ssh_options.ts";
import { InterruptedError } from "../../lib/terminal/ask.ts";
import { onSignals } from "../../lib/terminal/signals.ts";

/** What `demo --help` prints. */
const HELP = `usage: demo [--size MiB] [-p port] [-i key] [-o Key=Value]… [[user@]host[:port]]

Sends a file over SSH, fetches it back and compares SHA-256 both ways: with a server of its own, or
with a real one, with your keys and known_hosts.
`;

const FAILURE = 1;
const USAGE = 2;
const MIB = 1024 * 1024;
const BLOCK = 4 * MIB;
/** A shell builtin, so that it works on a machine without programs. */
const COMMAND = "echo hello";
const LABEL_COLUMNS = 11;

interface DemoArguments {
  readonly bytes: number;
  readonly options: SshOptions;
  /** The server to use; null starts one in this process. */
  readonly place: LoginPlace | null;
}

/**
 * `demo`: sends a real file both ways over SSH, and prints the negotiated algorithms.
 *
 * @returns The exit code: 1 if what arrived is not what was sent
 */
async function demo(args: readonly string[]): Promise<number> {
  if (args[0] === "--help") {
    console.log(HELP.trimEnd());
    return 0;
  }
  let job: DemoArguments;
  try {
    job = await parse(args);
  } catch (error) {
    new Log().error(`demo: ${messageOf(error)}; see demo --help`);
    return USAGE;
  }
  const log = new Log(job.options.LogLevel);
  try {
    await using host = job.place === null
      ? await embeddedHost()
      : await realHost(job.place, job.options, log);
    return await show(host, job.bytes) ? 0 : FAILURE;
  } catch (error) {
    if (error instanceof InterruptedError) return 130;
    const told = job.place !== null && error instanceof SshError;
    log.error(told ? describeFailure(error, job.place!) : `demo: ${messageOf(error)}`);
    return FAILURE;
  }
}

async function parse(args: readonly string[]): Promise<DemoArguments> {
  const { flags, rest } = parseMixed(args, { letters: "c:i:l:m:o:p:qv", names: ["size:"] });
  const [target, ...more] = rest;
  if (more.length > 0) throw new UsageError(`unexpected argument "${more[0]}"`);
  const place = target === undefined ? null : parseTarget(target);
  const options = await sshOptions(flags.flatMap(optionsOfFlag), { target: place });
  const size = Number(lastValue(flags, "size") ?? 256);
  if (!(size > 0 && size <= 1024 * 1024)) throw new UsageError("--size needs a number of MiB");
  return {
    bytes: Math.ceil(size * MIB),
    options,
    place: place === null ? null : placeOf(place, options),
  };
}

async function realHost(place: LoginPlace, options: SshOptions, log: Log): Promise<DemoHost> {
  const client = await logIn(place, options, log);
  return {
    client,
    name: `${place.user}@${place.host} port ${place.port}`,
    localPath: null,
    [Symbol.asyncDispose]: () => client.close(),
  };
}

async function show(host: DemoHost, bytes: number): Promise<boolean> {
  const { client, localPath } = host;
  await introduce(host);

  await using stack = new AsyncDisposableStack();
  // Ctrl-C cleans up as well.
  const interrupt = new AbortController();
  stack.use(onSignals(["SIGINT", "SIGTERM"], () => interrupt.abort(new InterruptedError())));
  const { signal } = interrupt;
  const folder = await Deno.makeTempDir({ prefix: "denossh-demo-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const sftp = stack.use(await client.sftp());
  const [file, back] = [`${folder}/sent`, `${folder}/fetched`];
  const wanted = await makeFile(file, bytes, signal);
  const home = await sftp.realPath(".");
  const remote = `${home === "/" ? "" : home}/denossh-demo-${encodeHex(randomBytes(6))}`;
  stack.defer(() => sftp.remove(remote).catch(() => {}));

  const sent = await transfer(
    "sending",
    bytes,
    (onProgress) => sftp.put(file, remote, { onProgress, signal }),
  );
  const there = localPath ? await digestOf(localPath(remote)) : await remoteDigest(client, remote);
  report("sent", bytes, sent, there === null ? null : there === wanted);

  const fetched = await transfer(
    "fetching",
    bytes,
    (onProgress) => sftp.get(remote, back, { onProgress, signal }),
  );
  const returned = await digestOf(back);
  report("fetched", bytes, fetched, returned === wanted);
  return (there === null || there === wanted) && returned === wanted;
}

async function introduce({ client, name }: DemoHost): Promise<void> {
  const { shared, kex, cipher, mac } = client.info;
  const answer = await client.run(COMMAND).catch((error) => {
    if (error instanceof SshError) return messageOf(error);
    throw error;
  });
  line("server", name);
  if (shared) {
    line("connection", "a control master's");
  } else {
    const { hostKey } = client.info;
    line("host key", `${hostKey.type} ${hostKey.fingerprint()}`);
    line("kex", kex);
    line("cipher", mac === "" ? cipher : `${cipher} with ${mac}`);
  }
  line(`$ ${COMMAND}`, printable(answer));
}

/** Pseudo-random bytes, and their SHA-256. */
async function makeFile(path: string, bytes: number, signal: AbortSignal): Promise<string> {
  using file = await Deno.open(path, { write: true, createNew: true });
  const hash = createHash("sha256");
  for (let left = bytes; left > 0; left -= BLOCK) {
    signal.throwIfAborted();
    const block = randomBytes(Math.min(left, BLOCK));
    hash.update(block);
    for (let at = 0; at < block.length;) at += await file.write(block.subarray(at));
  }
  return hash.digest("hex");
}

async function digestOf(path: string): Promise<string> {
  using file = await Deno.open(path);
  const hash = createHash("sha256");
  const block = new Uint8Array(BLOCK);
  for (let n; (n = await file.read(block)) !== null;) hash.update(block.subarray(0, n));
  return hash.digest("hex");
}

/** The hash that the server computes; null without `sha256sum`: then only the fetched copy is compared. */
async function remoteDigest(client: Client, path: string): Promise<string | null> {
  try {
    const text = await client.run(`sha256sum '${path.replaceAll("'", "'\\''")}'`);
    return /^\\?([0-9a-f]{64}) /.exec(text)?.[1] ?? null;
  } catch (error) {
    if (error instanceof SshError) return null;
    throw error;
  }
}

/** @returns Bytes a second */
async function transfer(
  label: string,
  bytes: number,
  run: (onProgress: (state: ProgressState) => void) => Promise<unknown>,
): Promise<number> {
  using progress = new ProgressMeter(`  ${label}`, { atEnd: "clear" });
  const started = performance.now();
  await run((state) => progress.update(state));
  return bytes / (performance.now() - started) * 1000;
}

function report(label: string, bytes: number, rate: number, right: boolean | null): void {
  const size = sizeText(bytes).padEnd(10);
  const verdict = right === null
    ? "SHA-256 is compared on the way back"
    : right
    ? style("32", "SHA-256 equal")
    : style("31", "SHA-256 DIFFERS");
  line(label, `${size}${style("1", rateText(rate).padStart(10))}   ${verdict}`);
}

function line(label: string, text: string): void {
  console.log(`  ${style("2", label.padEnd(LABEL_COLUMNS))}  ${text}`);
}

/** Colour and bold, on a terminal only. */
function style(code: string, text: string): string {
  const plain = !Deno.stdout.isTerminal() || Deno.noColor;
  return plain ? text : `\x1b[${code}m${text}\x1b[0m`;
}

/** Formats a size: `256 MiB`. */
function sizeText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; bytes >= 1024 && unit < units.length - 1; unit++) bytes /= 1024;
  const digits = unit === 0 || Number.isInteger(bytes) || bytes >= 100 ? 0 : 1;
  return `${bytes.toFixed(digits)} ${units[unit]}`;
}

/** Bytes a second as `512 MB/s`. */
function rateText(rate: number): string {
  const mega = rate / 1e6;
  return `${mega.toFixed(mega >= 100 ? 0 : 1)} MB/s`;
}

// Deno.exit, since a read of standard input may still be pending.
Deno.exit(await demo(Deno.args));
