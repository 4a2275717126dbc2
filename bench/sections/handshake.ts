import { configFlags } from "../../tests/interop/openssh_clients.ts";
import { findPeer } from "../../tests/interop/peers.ts";
import { must } from "../../tests/interop/run.ts";
import { type Sshd, startSshd } from "../../tests/interop/sshd.ts";
import { inTurns, login, sshdTarget, startPath } from "../lab.ts";
import { findSsh2Runtimes } from "../peers/clients.ts";
import { startMaster } from "../peers/master.ts";
import { median } from "../peers/table.ts";
import type { BenchOptions, Report } from "../report.ts";

const SSH2_HANDSHAKE = new URL("../peers/ssh2_handshake.mjs", import.meta.url).pathname;
const AT_ONCE = 100;
const FAR_MS = 50;

/** Connecting and small commands against sshd, ours beside OpenSSH's client, in turns. */
export async function handshake(report: Report, { quick }: BenchOptions): Promise<void> {
  const rounds = quick ? { connect: 5, exec: 15, atOnce: 2, far: 2 } : {
    connect: 15,
    exec: 100,
    atOnce: 5,
    far: 5,
  };
  // One connection carries a hundred sessions here.
  await using sshd = await startSshd({ hostKeys: ["ed25519"], config: { MaxSessions: 200 } });
  const target = sshdTarget(sshd);
  const connectOnce = async (port: number) => {
    await using host = await login({ ...target, port });
    await host.run("true");
  };
  await connectOnce(sshd.port); // the kernels are compiled once for a process
  const ssh = await findPeer("ssh");
  if (ssh === null) report.note("Missing: OpenSSH ssh: not installed");
  const sshOnce = (port: number) => must(ssh!, sshLine(sshd, port), { timeout: 60_000 });

  const ours = "@denossh/ssh";
  const theirs = "OpenSSH ssh";
  const ssh2 = await measureSsh2(sshd, rounds);
  ssh2.missing.forEach((text) => report.note(`Missing: ${text}`));
  const rows: string[][] = [];
  const add = (
    name: string,
    times: Record<string, number[]>,
    figure: string,
    kind?: keyof Ssh2Times,
  ) => {
    const all = new Map(Object.entries(times));
    if (kind) { for (const [name, found] of ssh2.times) all.set(name, found[kind]); }
    const text = (values?: number[]) => values ? median(values).toFixed(2) : "-";
    rows.push([name, ...[ours, theirs, ...ssh2.times.keys()].map((who) => text(all.get(who)))]);
    report.figure(figure, median(times[ours]!));
    const [onNode] = [...all].filter(([who]) => who.startsWith("npm:ssh2 on Node"));
    if (onNode) report.figure(`${figure}.ssh2node`, median(times[ours]!) / median(onNode[1]));
    report.data(figure, Object.fromEntries(all));
  };

  const connecting = await inTurns(rounds.connect, {
    [ours]: () => connectOnce(sshd.port),
    ...(ssh !== null && { [theirs]: () => sshOnce(sshd.port) }),
  });
  add("connect+exec+close", connecting, "handshake.connect", "connect");
  {
    await using host = await login(target);
    await using master = ssh === null ? null : await startMaster(ssh, sshd);
    await host.run("true");
    const open = await inTurns(rounds.exec, {
      [ours]: () => host.run("true"),
      ...(master !== null && { [theirs]: () => master.run("true") }),
    });
    add("exec on an open connection", open, "handshake.exec", "exec");
    const all = (one: () => Promise<unknown>) => () =>
      Promise.all(Array.from({ length: AT_ONCE }, one));
    const atOnce = await inTurns(rounds.atOnce, {
      [ours]: all(() => host.run("true")),
      ...(master !== null && { [theirs]: all(() => master.run("true")) }),
    });
    add(`${AT_ONCE} execs at once`, atOnce, "handshake.execs100", "atOnce");
  }
  await using path = await startPath(sshd.port, FAR_MS);
  const far = await inTurns(rounds.far, {
    [ours]: () => connectOnce(path.port),
    ...(ssh !== null && { [theirs]: () => sshOnce(path.port) }),
  });
  add(`connect+exec+close, round trip ${FAR_MS} ms`, far, "handshake.connect50");
  report.table(
    "Handshake with sshd, ms, medians; OpenSSH's are processes, the others modules in one",
    ["", ours, theirs, ...ssh2.times.keys()],
    rows,
  );
}

/** Milliseconds of connecting, of a command, and of many at once. */
interface Ssh2Times {
  readonly connect: number[];
  readonly exec: number[];
  readonly atOnce: number[];
}

/** The same with npm's ssh2, in a process of its own on each runtime. */
async function measureSsh2(
  { port, user, identity }: Sshd,
  rounds: Readonly<Record<keyof Ssh2Times, number>>,
): Promise<{ times: Map<string, Ssh2Times>; missing: readonly string[] }> {
  const { runtimes, missing } = await findSsh2Runtimes();
  const times = new Map<string, Ssh2Times>();
  for (const { name, program: [runtime, ...args], modules } of runtimes) {
    const settings = { modules, port, user, identity, rounds, many: AT_ONCE };
    const line = [...args, SSH2_HANDSHAKE, JSON.stringify(settings)];
    times.set(name, JSON.parse((await must(runtime!, line, { timeout: 120_000 })).text));
  }
  return { times, missing };
}

function sshLine(sshd: Sshd, port: number): string[] {
  const config = { Port: port, UserKnownHostsFile: "/dev/null", StrictHostKeyChecking: "no" };
  return [...configFlags(sshd, config), `${sshd.user}@${sshd.hostname}`, "true"];
}
