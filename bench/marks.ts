/**
 * The marks that the module should reach, and whether a run has reached them. They were set on one
 * machine; marks of pure CPU time are scaled to the speed of this one.
 */

/** A bound on a figure. */
interface Mark {
  readonly what: string;
  readonly figure: string;
  readonly least?: number;
  readonly most?: number;
  readonly unit: string;
  /** Whether it is pure CPU time, so that it is scaled for a slower machine. */
  readonly scaled?: true;
}

const least = (what: string, figure: string, bound: number, unit: string): Mark => ({
  what,
  figure,
  least: bound,
  unit,
});
const most = (what: string, figure: string, bound: number, unit: string): Mark => ({
  what,
  figure,
  most: bound,
  unit,
});

const scaled = (mark: Mark): Mark => ({ ...mark, scaled: true });
const kernel = (what: string, figure: string, bound: number): Mark =>
  scaled(least(`kernel: ${what}, 32 KiB`, `cipher.${figure}`, bound, "MB/s"));

/** MB/s of ring's chacha20-poly1305 in WebAssembly on the machine where the marks were set. */
const RING_THEN = 655;

const MARKS: readonly Mark[] = [
  kernel("chacha20-poly1305 seal", "chacha20-poly1305.seal", 1590),
  kernel("chacha20-poly1305 open", "chacha20-poly1305.open", 1578),
  kernel("aes128-gcm", "aes128-gcm.seal", 585),
  kernel("aes256-gcm", "aes256-gcm.seal", 464),
  least("exec down, chacha20, of OpenSSH's client", "exec.down.chacha20.openssh", 1, "x"),
  least("exec up, chacha20, of OpenSSH's client", "exec.up.chacha20.openssh", 1, "x"),
  least(
    "exec down, chacha20, of OpenSSH's client, without start-up",
    "exec.down.chacha20.steady.openssh",
    1,
    "x",
  ),
  most(
    "exec down, chacha20, CPU of OpenSSH's client, without start-up",
    "exec.down.chacha20.steady.cpu",
    1.1,
    "x",
  ),
  scaled(most("exec down, chacha20, client CPU", "exec.down.chacha20.cpu", 0.9, "ns/B")),
  scaled(most("exec up, chacha20, client CPU", "exec.up.chacha20.cpu", 0.9, "ns/B")),
  least("exec down, defaults, of npm:ssh2 on Deno", "exec.down.ssh2deno.default", 3.5, "x"),
  least("exec down, npm:ssh2 on Deno's best cipher", "exec.down.ssh2deno.best", 1.5, "x"),
  least("exec down, chacha20, of npm:ssh2 on Node", "exec.down.ssh2node", 1.1, "x"),
  least("exec down, aes128-gcm, of OpenSSH's client", "exec.down.aes128.openssh", 0.4, "x"),
  least("exec down, aes128-gcm, of npm:ssh2 on Deno", "exec.down.aes128.ssh2deno", 2, "x"),
  least("sftp get, chacha20, of OpenSSH's sftp", "sftp.get", 1, "x"),
  least("sftp put, chacha20, of OpenSSH's sftp", "sftp.put", 1, "x"),
  ...["L", "D", "R"].flatMap((kind) =>
    ["down", "up"].map((direction) =>
      least(
        `tunnel ${direction}, chacha20, of OpenSSH's -${kind}`,
        `tunnel.${kind}.${direction}`,
        1,
        "x",
      )
    )
  ),
  scaled(most("connect+exec+close", "handshake.connect", 47, "ms")),
  scaled(most("exec on an open connection", "handshake.exec", 1.67, "ms")),
  scaled(most("100 execs at once", "handshake.execs100", 90, "ms")),
  most("connect+exec+close, of npm:ssh2 on Node", "handshake.connect.ssh2node", 1, "x"),
  most("exec on an open connection, of npm:ssh2 on Node", "handshake.exec.ssh2node", 1, "x"),
  most("100 execs at once, of npm:ssh2 on Node", "handshake.execs100.ssh2node", 1, "x"),
  scaled(most("1000 x 4 KiB get", "sftp.smallGet", 150, "ms")),
  scaled(most("1000 x 4 KiB put", "sftp.smallPut", 140, "ms")),
  least("RTT 50 ms: exec down, from the first byte on", "windows.down50", 150, "MB/s"),
  least("RTT 50 ms: sftp get", "sftp.get.large.50", 150, "MB/s"),
  least("RTT 50 ms: sftp put of 512 MiB", "stripes.50", 150, "MB/s"),
  least(
    "RTT 200 ms at 1 Gbit/s: sftp put, share of the link",
    "stripes.share.200.gigabit",
    0.8,
    "x",
  ),
  least(
    "RTT 200 ms at 1 Gbit/s: sftp put over 2 connections, share",
    "stripes.share.200.gigabit.2",
    0.8,
    "x",
  ),
  least(
    "stripes: 512 MiB at 200 ms and 1 Gbit/s over 2 connections, share",
    "stripes.whole.200.gigabit.2.short",
    0.8,
    "x",
  ),
  least(
    "stripes: 512 MiB at 200 ms and 1 Gbit/s over 4 connections, share",
    "stripes.whole.200.gigabit.4.short",
    0.8,
    "x",
  ),
  least(
    "stripes: 2 GiB at 200 ms and 1 Gbit/s over 2 connections, share",
    "stripes.whole.200.gigabit.2",
    0.8,
    "x",
  ),
  least("20 MB/s a connection: sftp put over 4", "capped.put.4", 72, "MB/s"),
  least("20 MB/s a connection: sftp get over 4", "capped.get.4", 72, "MB/s"),
  most("RTT 50 ms: put of 1000 small files", "many.put.thousand", 1000, "ms"),
  most("RTT 50 ms: get of 1000 small files", "many.get.thousand", 1000, "ms"),
  least("loopback: sftp put, of one channel's", "stripes.gain.0", 0.97, "x"),
  most("RTT 50 ms: get of 100 small files", "sftp.get.small.50", 1000, "ms"),
  most("RTT 50 ms: put of 100 small files", "sftp.put.small.50", 1000, "ms"),
  most("RTT 50 ms: connect+exec", "handshake.connect50", 335, "ms"),
  least("RTT 100 ms at 1 Gbit/s: share of the link", "windows.link100", 0.9, "x"),
  least("RTT 200 ms at 1 Gbit/s: share of the link", "windows.link200", 0.9, "x"),
  least("server: OpenSSH's client down, of sshd", "server.down", 0.9, "x"),
  least("server: OpenSSH's client up, of sshd", "server.up", 0.9, "x"),
  least("server: OpenSSH's sftp get, of sshd", "server.get", 0.9, "x"),
  least("server: OpenSSH's sftp put, of sshd", "server.put", 0.9, "x"),
  scaled(most("server: login of OpenSSH's client, curve25519", "server.login", 15, "ms")),
  most("server: login of OpenSSH's client, of sshd", "server.login.sshd", 1, "x"),
  most("server: exec of OpenSSH's client, of sshd", "server.exec.sshd", 1, "x"),
  scaled(most("server: exec of OpenSSH's client", "server.exec", 6.5, "ms")),
  most("server: another's login during one user's worst", "fairness.login", 2, "x idle"),
  most("server: another's key during one user's worst, median", "fairness.key", 20, "ms"),
  most("server: longest answer during one user's worst", "fairness.pause", 50, "ms"),
  most("server: memory of one user's worst", "fairness.memory", 64, "MiB"),
  most("a paused reader holds, of its window", "memory.paused", 1, "x"),
  most("peak RSS with a paused reader", "memory.pausedPeak", 110, "MB"),
  most("peak RSS while bytes flow, as chunks", "memory.peak", 110, "MB"),
  most("peak RSS while bytes flow, through a stream into a buffer", "memory.peakStream", 110, "MB"),
  most("peak RSS while bytes flow, into a buffer", "memory.peakBuffer", 110, "MB"),
  most("RSS growth while bytes flow", "memory.growth", 32, "MB"),
  least("1,000 channels: total, of one channel's", "channels.share1000", 0.7, "x"),
  most("1,000 channels open", "channels.open1000", 5, "s"),
  most("keystroke echo during bulk, median", "keystroke.median", 5, "ms"),
  scaled(least("500 connections at once: logins a second", "connections.logins500", 150, "/s")),
  least("2 processes of serve, of 1: logins a second", "connections.parallel2", 1.6, "x"),
  most("500 connections at once: failures", "connections.failures500", 0, ""),
  most("bundle of the client, gzip", "size.client", 350, "KB"),
  most("bundle of /keys, gzip", "size.keys", 200, "KB"),
  scaled(most("import on Deno, above an empty program", "size.import", 40, "ms")),
  most("files on JSR", "size.jsr", 2, "MB"),
  most("JSR package, packed", "size.jsrPacked", 2, "MB"),
  most("npm package, packed", "size.npm", 2, "MB"),
];

/** The header of {@linkcode judge}'s rows. */
export const MARK_HEADER: readonly string[] = ["mark", "wanted", "of this machine", "reached", ""];

/**
 * A row for each mark: the bound, the bound scaled to this machine, the figure, and whether it is met.
 *
 * @param ring MB/s of ring's chacha20-poly1305 in WebAssembly here
 */
export function judge(figures: ReadonlyMap<string, number>, ring: number): string[][] {
  const speed = ring / RING_THEN;
  return MARKS.map((mark) => {
    const value = figures.get(mark.figure);
    const here = mark.scaled ? scale(mark, speed) : mark;
    const bounds = [bound(mark), here === mark ? "" : bound(here)];
    if (value === undefined) return [mark.what, ...bounds, "-", "not measured"];
    const verdict = meets(mark, value) ? "met" : meets(here, value) ? "met here" : "missed";
    return [mark.what, ...bounds, `${digits(value)} ${mark.unit}`.trimEnd(), verdict];
  });
}

function scale(mark: Mark, speed: number): Mark {
  const grows = /\/s$/.test(mark.unit);
  const factor = grows ? speed : 1 / speed;
  return {
    ...mark,
    ...(mark.least !== undefined && { least: mark.least * factor }),
    ...(mark.most !== undefined && { most: mark.most * factor }),
  };
}

function meets({ least = -Infinity, most = Infinity }: Mark, value: number): boolean {
  return value >= least && value <= most;
}

function bound({ least, most, unit }: Mark): string {
  const text = least !== undefined ? `≥ ${digits(least)} ${unit}` : `≤ ${digits(most!)} ${unit}`;
  return text.trimEnd();
}

/** Three digits, so that a near miss does not look as if it were met. */
function digits(value: number): string {
  return Number.isInteger(value) || value >= 100 ? value.toFixed(0) : `${+value.toPrecision(3)}`;
}
