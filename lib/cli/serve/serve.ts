import { hostPort } from "../../host_port.ts";
import { loadKey } from "../../login/load_key.ts";
import { RevocationList } from "../../keys/krl.ts";
import type { PrivateKey } from "../../keys/private_key.ts";
import { importPublicKey, type PublicKey } from "../../keys/public_key.ts";
import { matchesWildcards } from "../../patterns.ts";
import { printable } from "../../errors.ts";
import { runtime } from "../../runtime/runtime.ts";
import { serve, type SshServer } from "../../server/serve.ts";
import { systemShell } from "../../server/system_shell.ts";
import type { Session, SessionHandler } from "../../session/session.ts";
import { localFiles } from "../../sftp/server/local_files.ts";
import type { SftpQuota } from "../../sftp/server/quota.ts";
import { messageOf } from "../shared/failure.ts";
import { allValues, hasFlag, lastValue, parseMixed, UsageError } from "../shared/flags.ts";
import { Log } from "../shared/log.ts";
import { parseOption } from "../shared/option_text.ts";
import { algorithmsOf, limitsOf, type SshdOptions, sshdOptions } from "./sshd_options.ts";
import { forwardPolicy } from "./forward_policy.ts";
import { filePolicy } from "./auth_policy.ts";
import { isWorker, onSupervisorGone, superviseServers } from "./parallel.ts";
import { ask } from "../../terminal/ask.ts";
import { onSignals } from "../../terminal/signals.ts";

/** What `serve --help` prints. */
export const SERVE_HELP = `usage: serve --port N --host-key FILE… [--authorized-keys FILE]
             [--password-file FILE] [--root DIR] [--quota SIZE]
             [--quota-files N] [--exec] [--bind ADDR] [--strict]
             [--parallel N] [--proxies LIST] [-o Key=Value]… [-v] [-q]

  --port N                port to listen on; 0 for a free one
  --host-key FILE         a host key; give several for several types
  --authorized-keys FILE  public keys that may log in, as any user
  --password-file FILE    users that may log in, as lines of user:password
  --root DIR              serve only the files in DIR by SFTP
  --quota SIZE            the most bytes that DIR may hold, such as 500M or 2G;
                          not applied to commands of --exec
  --quota-files N         the most files, folders and links that DIR may hold
  --exec                  run commands, with the rights of this process
  --bind ADDR             address to listen on, 127.0.0.1 unless given
  --strict                do not offer algorithms that only old clients need
  --parallel N            N processes on the port; one that ends is restarted
  --proxies LIST          addresses of load balancers that send the client's address
                          in the PROXY protocol, such as 10.0.0.0/8
  -o Key=Value            an option of sshd_config(5), such as MaxAuthTries=3; tunnels
                          are refused without AllowTcpForwarding=yes or local,
                          AllowAgentForwarding=yes, X11Forwarding=yes
`;

/** The exit codes for a wrong command line, and for a server that cannot start. */
const USAGE = 2;
const FAILURE = 1;

const FLAGS = {
  letters: "o:p:qv",
  names: [
    "port:",
    "host-key:",
    "authorized-keys:",
    "password-file:",
    "root:",
    "quota:",
    "quota-files:",
    "exec",
    "bind:",
    "strict",
    "parallel:",
    "proxies:",
  ],
};

interface ServeArguments {
  readonly port: number;
  readonly hostname: string;
  readonly hostKeys: readonly string[];
  readonly authorizedKeys: string | null;
  readonly passwords: string | null;
  readonly root: string | null;
  readonly quota: SftpQuota | null;
  readonly exec: boolean;
  readonly strict: boolean;
  /** The number of processes; 1 means only this one. */
  readonly parallel: number;
  readonly proxies: string | null;
  readonly options: SshdOptions;
  readonly log: Log;
}

/**
 * `serve`: runs an SSH server with the given keys, passwords and files until a signal ends it.
 *
 * @returns The exit code
 */
export async function serveCommand(args: readonly string[]): Promise<number> {
  let job: ServeArguments;
  try {
    job = parse(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    new Log().error(`serve: ${messageOf(error)}; see serve --help`);
    return USAGE;
  }
  const { log } = job;
  try {
    if (job.parallel > 1 && !isWorker()) return await startServers(job, args);
    const hostKeys = await Promise.all(job.hostKeys.map((file) => hostKey(file)));
    await using server = await start(job, hostKeys);
    announce(server, hostKeys);
    using _ = onSignals(["SIGINT", "SIGTERM"], (signal) => {
      log.verbose(`Ended by ${signal}`);
      server.shutdown();
    });
    if (isWorker()) onSupervisorGone(() => server.shutdown());
    await server.finished;
    return 0;
  } catch (error) {
    log.error(`serve: ${messageOf(error)}`);
    return FAILURE;
  }
}

function parse(args: readonly string[]): ServeArguments {
  const { flags, rest } = parseMixed(args, FLAGS);
  if (rest.length > 0) throw new UsageError(`unexpected argument "${rest[0]}"`);
  const last = (name: string) => lastValue(flags, name);
  const port = last("port") ?? last("p");
  if (port === null || !/^\d{1,5}$/.test(port) || Number(port) > 65535) {
    throw new UsageError("--port needs a number from 0 to 65535");
  }
  const hostKeys = allValues(flags, "host-key");
  if (hostKeys.length === 0) throw new UsageError("--host-key is needed");
  const options = sshdOptions(allValues(flags, "o").map(parseOption));
  const given = {
    authorizedKeys: options.PubkeyAuthentication === false ? null : last("authorized-keys"),
    passwords: options.PasswordAuthentication === false ? null : last("password-file"),
  };
  if (given.authorizedKeys === null && given.passwords === null && !options.TrustedUserCAKeys) {
    throw new UsageError("no way to log in: give --authorized-keys or --password-file");
  }
  return {
    port: Number(port),
    hostname: last("bind") ?? "127.0.0.1",
    hostKeys,
    ...given,
    root: last("root"),
    quota: quotaOf(last("quota"), last("quota-files"), last("root")),
    exec: hasFlag(flags, "exec"),
    strict: hasFlag(flags, "strict"),
    parallel: parallelOf(last("parallel")),
    proxies: last("proxies"),
    options,
    log: new Log(hasFlag(flags, "v") ? "verbose" : hasFlag(flags, "q") ? "quiet" : "error"),
  };
}

/** Starts several processes with the same command line. */
async function startServers(
  { parallel, port, hostname, log }: ServeArguments,
  args: readonly string[],
): Promise<number> {
  if (port !== 0) return await superviseServers(parallel, args, log);
  // Choose a free port once for all of them.
  const probe = runtime.net.listen({ port, hostname });
  const chosen = (probe.addr as Deno.NetAddr).port;
  probe.close();
  return await superviseServers(parallel, [...args, "--port", `${chosen}`], log);
}

/** @throws {UsageError} If the number of processes is invalid */
function parallelOf(text: string | null): number {
  if (text === null) return 1;
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new UsageError("--parallel needs a number from 1 to 999");
  return Number(text);
}

/** @throws {UsageError} If a limit is invalid, or given without a folder */
function quotaOf(size: string | null, files: string | null, root: string | null): SftpQuota | null {
  if (size === null && files === null) return null;
  if (root === null) throw new UsageError("--quota and --quota-files need --root");
  const [, digits, unit] = /^(\d{1,15})([kmgt]?)$/i.exec(size ?? "0") ?? [];
  const bytes = Number(digits) * 1024 ** " kmgt".indexOf(unit?.toLowerCase() || " ");
  if (!Number.isSafeInteger(bytes)) {
    throw new UsageError("--quota needs a number of bytes such as 1000000, 500M or 2G");
  }
  if (files !== null && !/^\d{1,15}$/.test(files)) {
    throw new UsageError("--quota-files needs a number");
  }
  return { ...(size !== null && { bytes }), ...(files !== null && { files: Number(files) }) };
}

function hostKey(file: string): Promise<PrivateKey> {
  const passphrase = async () =>
    await ask(`Enter passphrase for key '${file}': `, { echo: false }) ?? "";
  return loadKey(file, { passphrase });
}

async function start(job: ServeArguments, hostKeys: readonly PrivateKey[]): Promise<SshServer> {
  const { port, hostname, root, quota, options, authorizedKeys, passwords, log } = job;
  const { Banner } = options;
  // They are read again at each login; here only to report missing ones at the start.
  for (const file of [authorizedKeys, passwords]) {
    if (file !== null) await runtime.files.readTextFile(file);
  }
  const { TrustedUserCAKeys, RevokedKeys, AuthenticationMethods } = options;
  const authorities = TrustedUserCAKeys ? await keysOf(TrustedUserCAKeys) : [];
  const revoked = RevokedKeys
    ? RevocationList.parse(await runtime.files.readFile(RevokedKeys))
    : null;
  const policy = filePolicy({
    ...job,
    authorities: options.PubkeyAuthentication === false ? [] : authorities,
    ...(revoked && { revoked: (key) => revoked.isRevoked(key) }),
    permitUserEnvironment: userEnvironment(options),
  }, log);
  if (AuthenticationMethods && AuthenticationMethods.join() !== "any") {
    policy.required = AuthenticationMethods.map((list) => list.split(","));
  }
  if (Banner !== undefined && Banner !== "none") {
    policy.banner = await runtime.files.readTextFile(Banner);
  }
  return serve({
    ...limitsOf(options),
    algorithms: { ...algorithmsOf(options), ...(job.strict && { preset: "strict" }) },
    port,
    hostname,
    hostKeys,
    auth: policy,
    reusePort: job.parallel > 1,
    pty: options.PermitTTY ?? true,
    ...(job.proxies !== null && { proxies: job.proxies }),
    ...(root !== null && { sftp: localFiles({ root, ...(quota && { quota }) }) }),
    forward: forwardPolicy(options),
    onError: (error, address) =>
      log.verbose(`${addressText(address)}: ${printable(messageOf(error), 1000)}`),
  }, job.exec ? shell(job) : null);
}

/** PermitUserEnvironment: `yes`, `no` or patterns. */
function userEnvironment({ PermitUserEnvironment = "no" }: SshdOptions): boolean | string {
  if (/^(yes|true)$/i.test(PermitUserEnvironment)) return true;
  return /^(no|false)$/i.test(PermitUserEnvironment) ? false : PermitUserEnvironment;
}

/** The keys of a file, one per line. */
async function keysOf(file: string): Promise<PublicKey[]> {
  const lines = (await runtime.files.readTextFile(file)).split("\n").map((line) => line.trim());
  return lines.filter((line) => line !== "" && !line.startsWith("#")).map(importPublicKey);
}

function shell({ root, options, log }: ServeArguments): SessionHandler {
  const { AcceptEnv } = options;
  const run = systemShell({
    ...(root !== null && { cwd: root }),
    ...(AcceptEnv && {
      acceptEnv: (name) => AcceptEnv.some((pattern) => matchesWildcards(pattern, name)),
    }),
  });
  const logged = async (session: Session) => {
    const kind = session.command === null ? "shell" : "command";
    log.verbose(`${addressText(session.remoteAddr)}: ${kind} for "${printable(session.user)}"`);
    return await run(session);
  };
  return Object.assign(logged, { hasTerminals: run.hasTerminals! });
}

function announce({ addr }: SshServer, hostKeys: readonly PrivateKey[]): void {
  const at = hostPort(addr.hostname, addr.port);
  for (const { publicKey } of hostKeys) {
    console.log(`Listening on ${at} as ${publicKey.fingerprint()} (${publicKey.type})`);
  }
}

function addressText(address: Deno.Addr | null): string {
  return address && "hostname" in address ? `${address.hostname}:${address.port}` : "A client";
}
