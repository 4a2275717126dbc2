import type { Client } from "../../mod.ts";
import { startSshd } from "../../tests/interop/harness/sshd.ts";
import { denoProgram, login, sshdTarget, type Target, timed } from "../lab.ts";
import { startOwnCli } from "../peers/own_cli.ts";
import { median } from "../peers/table.ts";
import type { BenchOptions, Report } from "../report.ts";
import { ATTACK_NAMES, type AttackOptions, prepare } from "../sftp_attacker.ts";
import { memoryFolder } from "./sftp.ts";

const ATTACKER = new URL("../sftp_attacker.ts", import.meta.url).pathname;

/** A server that serves a folder. */
interface Server extends AsyncDisposable {
  readonly target: Target;
  readonly pid: number;
  /** The prefix of paths on the server: a jailed server has its own root. */
  readonly root: string;
}

const SERVERS: Record<string, (folder: string) => Promise<Server>> = {
  async "@denossh/ssh"(folder) {
    const ours = await startOwnCli(["--exec", "--root", folder]);
    const { pid } = ours;
    return {
      target: ours,
      pid,
      root: "",
      [Symbol.asyncDispose]: () => ours[Symbol.asyncDispose](),
    };
  },
  async sshd(folder) {
    const sshd = await startSshd({ hostKeys: ["ed25519"] });
    const { pid } = sshd;
    const target = sshdTarget(sshd);
    return { target, pid, root: folder, [Symbol.asyncDispose]: () => sshd[Symbol.asyncDispose]() };
  },
};

/** The effect on another user. */
interface Seen {
  readonly login: number;
  /** The same at a second, idle server: the effect of the machine's load. */
  readonly beside: number;
  readonly key: number;
  /** The server's longest answer, at least as long as its event loop was blocked. */
  readonly pause: number;
  /** Peak memory of the server, in MiB. */
  readonly memory: number;
}

/** How much one abusive user delays the logins and keys of another: our `cli serve` beside sshd. */
export async function fairness(report: Report, { quick }: BenchOptions): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const folder = await memoryFolder(report);
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  await prepare(folder, { names: quick ? 20_000 : 200_000 });
  const keys = quick ? 50 : 200;
  for (const [name, start] of Object.entries(SERVERS)) {
    const attacked: Record<string, Seen> = {};
    const idles: Seen[] = [];
    const held: number[] = [];
    for (const attack of ATTACK_NAMES) {
      // A new server for each attack, since a server's memory never shrinks.
      await using server = await start(folder);
      const { target, pid, root } = server;
      await using other = await start(folder);
      const look = () => see(target, other.target, pid, keys);
      const idle = await look();
      idles.push(idle);
      const options: AttackOptions = { target, root, attack };
      await using attacker = denoProgram(ATTACKER, [JSON.stringify(options)]);
      await attacker.waitFor(/attacking/);
      attacked[attack] = await look();
      held.push(attacked[attack].memory - idle.memory);
    }
    const usual = (of: (seen: Seen) => number) => median(idles.map(of));
    const idle: Seen = {
      login: usual(({ login }) => login),
      beside: usual(({ beside }) => beside),
      key: usual(({ key }) => key),
      pause: usual(({ pause }) => pause),
      memory: usual(({ memory }) => memory),
    };
    const seen: Record<string, Seen> = { idle, ...attacked };
    report.table(
      `Another user logs in and types at ${name}, ms, while one does its worst`,
      [
        ...["", "login", "x idle", "login at another, in turns"],
        ...["key, median", "longest answer", "server's memory, MiB"],
      ],
      Object.entries(seen).map(([what, { login, beside, key, pause, memory }]) => [
        what,
        ...[login, login / idle.login, beside, key, pause, memory].map((value, at) =>
          value.toFixed(at === 1 || at === 3 ? 1 : 0)
        ),
      ]),
    );
    report.data(`fairness.${name}`, seen);
    if (name === "sshd") continue; // one process per connection, not included in its memory
    const most = (of: (seen: Seen) => number) => Math.max(...Object.values(seen).map(of));
    report.figure("fairness.login", most(({ login }) => login / idle.login));
    report.figure("fairness.key", most(({ key }) => key));
    report.figure("fairness.pause", most(({ pause }) => pause));
    report.figure("fairness.memory", Math.max(...held));
  }
}

async function see(target: Target, other: Target, pid: number, keys: number): Promise<Seen> {
  const [logins, others]: [number[], number[]] = [[], []];
  for (let i = 0; i < 7; i++) {
    for (const [at, times] of [[target, logins], [other, others]] as const) {
      times.push(await timed(async () => void await (await login(at)).close()));
    }
  }
  await using host = await login(target);
  const [pressed, answered] = [await type(host, keys), await asked(host, keys)];
  return {
    login: median(logins),
    beside: median(others),
    key: median(pressed),
    pause: Math.max(...answered),
    memory: residentMiB(pid),
  };
}

/** Milliseconds that keys take to come back from `cat`. */
async function type(host: Client, keys: number): Promise<number[]> {
  await using shell = await host.command("cat").spawn();
  const key = new Uint8Array([120]);
  const echo = new Uint8Array(16);
  return await often(keys, async () => {
    await shell.channel.writeAll(key);
    if (await shell.channel.read(echo) === null) throw new Error("The echo has ended");
  });
}

/** Milliseconds that the server itself takes to answer. */
async function asked(host: Client, times: number): Promise<number[]> {
  await using session = await host.openSession();
  return await often(times, async () => {
    // sshd refuses it, which also counts as an answer.
    await session.connection.request("keepalive@openssh.com").catch(() => {});
  });
}

async function often(times: number, what: () => Promise<void>): Promise<number[]> {
  const taken: number[] = [];
  while (taken.length < times) {
    taken.push(await timed(what));
    // A pause of varying length, so that the keys do not synchronize with the server's loop.
    await new Promise((resolve) => setTimeout(resolve, 1 + taken.length % 7));
  }
  return taken;
}

function residentMiB(pid: number): number {
  const [, kib = "0"] = /^VmRSS:\s+(\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`)) ?? [];
  return Number(kib) / 1024;
}
