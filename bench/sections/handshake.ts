import { configFlags } from "../../tests/interop/openssh_clients.ts";
import { findPeer } from "../../tests/interop/peers.ts";
import { must } from "../../tests/interop/run.ts";
import { type Sshd, startSshd } from "../../tests/interop/sshd.ts";
import { inTurns, login, sshdTarget, startPath } from "../lab.ts";
import { startMaster } from "../peers/master.ts";
import { median } from "../peers/table.ts";
import type { BenchOptions, Report } from "../report.ts";

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
  const rows: string[][] = [];
  const add = (name: string, times: Record<string, number[]>, figure: string) => {
    const text = (values?: number[]) => values ? median(values).toFixed(2) : "-";
    rows.push([name, text(times[ours]), text(times[theirs])]);
    report.figure(figure, median(times[ours]!));
    report.data(figure, times);
  };

  const connecting = await inTurns(rounds.connect, {
    [ours]: () => connectOnce(sshd.port),
    ...(ssh !== null && { [theirs]: () => sshOnce(sshd.port) }),
  });
  add("connect+exec+close", connecting, "handshake.connect");
  {
    await using host = await login(target);
    await using master = ssh === null ? null : await startMaster(ssh, sshd);
    await host.run("true");
    const open = await inTurns(rounds.exec, {
      [ours]: () => host.run("true"),
      ...(master !== null && { [theirs]: () => master.run("true") }),
    });
    add("exec on an open connection", open, "handshake.exec");
    const all = (one: () => Promise<unknown>) => () =>
      Promise.all(Array.from({ length: AT_ONCE }, one));
    const atOnce = await inTurns(rounds.atOnce, {
      [ours]: all(() => host.run("true")),
      ...(master !== null && { [theirs]: all(() => master.run("true")) }),
    });
    add(`${AT_ONCE} execs at once`, atOnce, "handshake.execs100");
  }
  await using path = await startPath(sshd.port, FAR_MS);
  const far = await inTurns(rounds.far, {
    [ours]: () => connectOnce(path.port),
    ...(ssh !== null && { [theirs]: () => sshOnce(path.port) }),
  });
  add(`connect+exec+close, round trip ${FAR_MS} ms`, far, "handshake.connect50");
  report.table(
    "Handshake with sshd, ms, medians; OpenSSH's are processes, ours is the module in one",
    ["", ours, theirs],
    rows,
  );
}

function sshLine(sshd: Sshd, port: number): string[] {
  const config = { Port: port, UserKnownHostsFile: "/dev/null", StrictHostKeyChecking: "no" };
  return [...configFlags(sshd, config), `${sshd.user}@${sshd.hostname}`, "true"];
}
