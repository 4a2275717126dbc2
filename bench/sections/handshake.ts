import { configFlags } from "../../tests/support/ssh_flags.ts";
import { findPeer } from "../../tests/interop/harness/peers.ts";
import { must } from "../../tests/support/run.ts";
import { type Sshd, startSshd } from "../../tests/interop/harness/sshd.ts";
import { inTurns, login, sshdTarget, startPath } from "../lab.ts";
import { findSsh2Runtimes } from "../peers/clients.ts";
import { startMaster } from "../peers/master.ts";
import { median } from "../peers/table.ts";
import type { BenchOptions, Report } from "../report.ts";

const OURS = "@denossh/ssh";
const THEIRS = "OpenSSH ssh";
const OWN_HANDSHAKE = [
  Deno.execPath(),
  "run",
  "-A",
  "--no-check",
  new URL("../peers/own_handshake.ts", import.meta.url).pathname,
];
const SSH2_HANDSHAKE = new URL("../peers/ssh2_handshake.mjs", import.meta.url).pathname;
const AT_ONCE = 100;
const FAR_MS = 50;

/** Connects and small commands against sshd, ours and OpenSSH's client alternately. */
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
  await connectOnce(sshd.port); // compiles the kernels, once per process
  const ssh = await findPeer("ssh");
  if (ssh === null) report.note("Missing: OpenSSH ssh: not installed");
  const sshOnce = (port: number) => must(ssh!, sshLine(sshd, port), { timeout: 60_000 });

  const modules = await measureModules(sshd, rounds);
  modules.missing.forEach((text) => report.note(`Missing: ${text}`));
  const columns = [OURS, THEIRS, ...[...modules.times.keys()].filter((name) => name !== OURS)];
  const rows: string[][] = [];
  const add = (name: string, times: ReadonlyMap<string, number[]>, figure: string) => {
    const text = (values?: number[]) => values ? median(values).toFixed(2) : "-";
    rows.push([name, ...columns.map((who) => text(times.get(who)))]);
    const ours = median(times.get(OURS)!);
    report.figure(figure, ours);
    const [onNode] = [...times].filter(([who]) => who.startsWith("npm:ssh2 on Node"));
    if (onNode) report.figure(`${figure}.ssh2node`, ours / median(onNode[1]));
    report.data(figure, Object.fromEntries(times));
  };
  /** Shows the modules' times beside OpenSSH's. */
  const beside = async (kind: keyof ModuleTimes, theirs: (() => Promise<unknown>) | null) => {
    const all = new Map([...modules.times].map(([name, found]) => [name, found[kind]]));
    if (theirs) all.set(THEIRS, (await inTurns(rounds[kind], { [THEIRS]: theirs }))[THEIRS]!);
    return all;
  };

  const connecting = await beside("connect", ssh === null ? null : () => sshOnce(sshd.port));
  add("connect+exec+close", connecting, "handshake.connect");
  {
    await using master = ssh === null ? null : await startMaster(ssh, sshd);
    const one = master && (() => master.run("true"));
    add("exec on an open connection", await beside("exec", one), "handshake.exec");
    const all = one && (() => Promise.all(Array.from({ length: AT_ONCE }, one)));
    add(`${AT_ONCE} execs at once`, await beside("atOnce", all), "handshake.execs100");
  }
  await using path = await startPath(sshd.port, FAR_MS);
  const far = await inTurns(rounds.far, {
    [OURS]: () => connectOnce(path.port),
    ...(ssh !== null && { [THEIRS]: () => sshOnce(path.port) }),
  });
  const name = `connect+exec+close, round trip ${FAR_MS} ms`;
  add(name, new Map(Object.entries(far)), "handshake.connect50");
  report.table(
    "Handshake with sshd, ms, medians; OpenSSH's are processes, the others modules in one",
    ["", ...columns],
    rows,
  );
}

/** Milliseconds of a connect, a command, and many parallel commands. */
interface ModuleTimes {
  readonly connect: number[];
  readonly exec: number[];
  readonly atOnce: number[];
}

/** Alternations of the modules; each time a new process does a part of the rounds. */
const TURNS = 3;

/** Modules in separate processes: ours, and npm's ssh2 on each runtime. */
async function measureModules(
  sshd: Sshd,
  rounds: Readonly<Record<keyof ModuleTimes, number>>,
): Promise<{ times: Map<string, ModuleTimes>; missing: readonly string[] }> {
  const { port, user, identity } = sshd;
  const { runtimes, missing } = await findSsh2Runtimes();
  const part = Object.fromEntries(
    Object.entries(rounds).map(([kind, count]) => [kind, Math.ceil(count / TURNS)]),
  );
  const settings = { port, user, identity, rounds: part, many: AT_ONCE };
  const { hostKey } = sshdTarget(sshd);
  const lines: [string, string[]][] = [
    [OURS, [...OWN_HANDSHAKE, JSON.stringify({ ...settings, hostKey })]],
    ...runtimes.map(({ name, program, modules }): [string, string[]] => [
      name,
      [...program, SSH2_HANDSHAKE, JSON.stringify({ ...settings, modules })],
    ]),
  ];
  const times = new Map<string, ModuleTimes>();
  for (let turn = 0; turn < TURNS; turn++) {
    for (const [name, [program, ...args]] of lines) {
      const { text } = await must(program!, args, { timeout: 120_000 });
      const found = JSON.parse(text) as ModuleTimes;
      const all = times.get(name) ?? { connect: [], exec: [], atOnce: [] };
      for (const kind of ["connect", "exec", "atOnce"] as const) all[kind].push(...found[kind]);
      times.set(name, all);
    }
  }
  return { times, missing };
}

function sshLine(sshd: Sshd, port: number): string[] {
  const config = { Port: port, UserKnownHostsFile: "/dev/null", StrictHostKeyChecking: "no" };
  return [...configFlags(sshd, config), `${sshd.user}@${sshd.hostname}`, "true"];
}
