import type { Endpoint } from "../../tests/support/endpoint.ts";
import { configFlags } from "../../tests/support/ssh_flags.ts";
import { findPeer } from "../../tests/interop/harness/peers.ts";
import { must } from "../../tests/support/run.ts";
import { startSshd } from "../../tests/interop/harness/sshd.ts";
import { inTurns } from "../lab.ts";
import { startMaster } from "../peers/master.ts";
import { measure, type Measurement, remoteCommand } from "../peers/measure.ts";
import { startOwnCli } from "../peers/own_cli.ts";
import { median, megabytesPerSecond, pairedShare } from "../peers/table.ts";
import type { BenchOptions, Report } from "../report.ts";
import { CIPHERS } from "../throughput.ts";

const MIB = 1024 ** 2;
/** The key exchange of peers without post-quantum methods. */
const LIGHT_KEX = "curve25519-sha256";
const SSHD = "sshd";
const OURS = "@denossh/ssh";

/** OpenSSH's client with our `cli serve --exec` and with sshd, alternately. */
export async function server(report: Report, { quick }: BenchOptions): Promise<void> {
  const ssh = await findPeer("ssh");
  if (ssh === null) return report.note("Missing: OpenSSH ssh: not installed");
  await using sshd = await startSshd({ hostKeys: ["ed25519"] });
  await using ours = await startOwnCli(["--exec"]);
  const endpoints = { [SSHD]: sshd, [OURS]: ours };
  const rounds = quick ? { stream: 1, command: 5 } : { stream: 5, command: 25 };
  for (const cipher of quick ? CIPHERS.slice(0, 1) : CIPHERS) {
    await streams(report, ssh, endpoints, cipher, (quick ? 256 : 1024) * MIB, rounds.stream);
  }
  await commands(report, ssh, endpoints, rounds.command);
}

async function streams(
  report: Report,
  ssh: string,
  endpoints: Readonly<Record<string, Endpoint>>,
  cipher: string,
  bytes: number,
  rounds: number,
): Promise<void> {
  const rows: string[][] = [];
  for (const direction of ["down", "up"] as const) {
    const runs: Record<string, Measurement[]> = { [SSHD]: [], [OURS]: [] };
    for (let round = 0; round < rounds; round++) {
      for (const [name, endpoint] of Object.entries(endpoints)) {
        const line = sshLine(ssh, endpoint, remoteCommand(direction, bytes), { Ciphers: cipher });
        runs[name]!.push(await measure(line, direction, bytes));
      }
    }
    const share = pairedShare(runs[OURS]!, runs[SSHD]!);
    if (cipher.startsWith("chacha20")) report.figure(`server.${direction}`, share);
    report.data(`server.${direction}.${cipher}`, runs);
    const rate = (name: string) => median(runs[name]!.map(megabytesPerSecond)).toFixed(0);
    rows.push([direction, rate(SSHD), rate(OURS), share.toFixed(2)]);
  }
  report.table(
    `OpenSSH's client at servers, ${cipher}, ${bytes / MIB} MiB, MB/s`,
    ["exec", SSHD, OURS, "share"],
    rows,
  );
}

async function commands(
  report: Report,
  ssh: string,
  endpoints: Readonly<Record<string, Endpoint>>,
  rounds: number,
): Promise<void> {
  const logins = async (config: Readonly<Record<string, string>>) => {
    const ways = Object.entries(endpoints).map(([name, endpoint]) => {
      const [program, ...args] = sshLine(ssh, endpoint, "true", config);
      return [name, () => must(program!, args)] as const;
    });
    for (const [, login] of ways) await login();
    return await inTurns(rounds, Object.fromEntries(ways));
  };
  const login = await logins({});
  // OpenSSH 9.2's first choice takes more time than the rest of a login.
  const light = await logins({ KexAlgorithms: LIGHT_KEX });
  await using stack = new AsyncDisposableStack();
  const masters: [string, () => Promise<void>][] = [];
  for (const [name, endpoint] of Object.entries(endpoints)) {
    const master = stack.use(await startMaster(ssh, endpoint));
    masters.push([name, () => master.run("true")]);
  }
  const exec = await inTurns(rounds, Object.fromEntries(masters));
  const row = (what: string, times: Record<string, number[]>) => [
    what,
    ...[SSHD, OURS].map((name) => median(times[name]!).toFixed(1)),
  ];
  report.table("OpenSSH's client at servers, ms, medians, its own start included", [
    "",
    SSHD,
    OURS,
  ], [
    row("login, exec true, logout", login),
    row(`the same with ${LIGHT_KEX}`, light),
    row("exec true on an open connection", exec),
  ]);
  report.data("server.commands", { login, light, exec });
  report.figure("server.login", median(light[OURS]!));
  report.figure("server.login.sshd", pairedTime(login));
  report.figure("server.exec.sshd", pairedTime(exec));
  report.figure("server.exec", median(exec[OURS]!));
}

/** Our time relative to sshd's, compared within each round. */
function pairedTime(times: Record<string, number[]>): number {
  return median(times[OURS]!.map((ms, i) => ms / times[SSHD]![i]!));
}

function sshLine(
  ssh: string,
  endpoint: Endpoint,
  command: string,
  config: Readonly<Record<string, string>>,
): string[] {
  const destination = `${endpoint.user}@${endpoint.hostname}`;
  return [ssh, ...configFlags(endpoint, config), destination, command];
}
