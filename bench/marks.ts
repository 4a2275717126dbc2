/** The marks that the module is to reach, and whether a run has reached them. */

/** A bound on a figure. */
interface Mark {
  readonly what: string;
  readonly figure: string;
  readonly least?: number;
  readonly most?: number;
  readonly unit: string;
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

const MARKS: readonly Mark[] = [
  least("exec down, chacha20, of OpenSSH's client", "exec.down.chacha20.openssh", 1, "x"),
  least("exec up, chacha20, of OpenSSH's client", "exec.up.chacha20.openssh", 1, "x"),
  most("exec down, chacha20, client CPU", "exec.down.chacha20.cpu", 0.9, "ns/B"),
  most("exec up, chacha20, client CPU", "exec.up.chacha20.cpu", 0.9, "ns/B"),
  least("exec down, defaults, of npm:ssh2 on Deno", "exec.down.ssh2deno.default", 3.5, "x"),
  least("exec down, npm:ssh2 on Deno's best cipher", "exec.down.ssh2deno.best", 1.5, "x"),
  least("exec down, chacha20, of npm:ssh2 on Node", "exec.down.ssh2node", 1.1, "x"),
  least("exec down, aes128-gcm, of OpenSSH's client", "exec.down.aes128.openssh", 0.4, "x"),
  least("exec down, aes128-gcm, of npm:ssh2 on Deno", "exec.down.aes128.ssh2deno", 2, "x"),
  least("sftp get, chacha20, of OpenSSH's sftp", "sftp.get", 1, "x"),
  least("sftp put, chacha20, of OpenSSH's sftp", "sftp.put", 1, "x"),
  least("tunnel, chacha20, of OpenSSH's -L", "tunnel", 1, "x"),
  most("connect+exec+close", "handshake.connect", 47, "ms"),
  most("exec on an open connection", "handshake.exec", 1.67, "ms"),
  most("100 execs at once", "handshake.execs100", 90, "ms"),
  most("connect+exec+close, of npm:ssh2 on Node", "handshake.connect.ssh2node", 1, "x"),
  most("exec on an open connection, of npm:ssh2 on Node", "handshake.exec.ssh2node", 1, "x"),
  most("100 execs at once, of npm:ssh2 on Node", "handshake.execs100.ssh2node", 1, "x"),
  most("1000 x 4 KiB get", "sftp.smallGet", 150, "ms"),
  most("1000 x 4 KiB put", "sftp.smallPut", 140, "ms"),
  least("RTT 50 ms: exec down, from the first byte on", "windows.down50", 150, "MB/s"),
  least("RTT 50 ms: sftp get", "sftp.get.large.50", 150, "MB/s"),
  most("RTT 50 ms: get of 100 small files", "sftp.get.small.50", 1000, "ms"),
  most("RTT 50 ms: put of 100 small files", "sftp.put.small.50", 1000, "ms"),
  most("RTT 50 ms: connect+exec", "handshake.connect50", 335, "ms"),
  least("RTT 100 ms at 1 Gbit/s: share of the link", "windows.link100", 0.9, "x"),
  least("RTT 200 ms at 1 Gbit/s: share of the link", "windows.link200", 0.9, "x"),
  least("server: OpenSSH's client down, of sshd", "server.down", 0.9, "x"),
  least("server: OpenSSH's client up, of sshd", "server.up", 0.9, "x"),
  least("server: OpenSSH's sftp get, of sshd", "server.get", 0.9, "x"),
  least("server: OpenSSH's sftp put, of sshd", "server.put", 0.9, "x"),
  most("server: login of OpenSSH's client", "server.login", 15, "ms"),
  most("server: exec of OpenSSH's client", "server.exec", 6.5, "ms"),
  most("a paused reader holds, of its window", "memory.paused", 1, "x"),
  most("peak RSS with a paused reader", "memory.pausedPeak", 110, "MB"),
  most("peak RSS while bytes flow, as chunks", "memory.peak", 110, "MB"),
  most("peak RSS while bytes flow, into a buffer", "memory.peakBuffer", 110, "MB"),
  most("RSS growth while bytes flow", "memory.growth", 32, "MB"),
  least("1,000 channels: total, of one channel's", "channels.share1000", 0.7, "x"),
  most("1,000 channels open", "channels.open1000", 5, "s"),
  most("keystroke echo during bulk, median", "keystroke.median", 5, "ms"),
  least("500 connections at once: logins a second", "connections.logins500", 150, "/s"),
  most("500 connections at once: failures", "connections.failures500", 0, ""),
];

/** The head of {@linkcode judge}'s rows. */
export const MARK_HEADER: readonly string[] = ["mark", "wanted", "reached", ""];

/** A row for each mark: what was wanted, what was reached, and whether that is met. */
export function judge(figures: ReadonlyMap<string, number>): string[][] {
  return MARKS.map(({ what, figure, least, most, unit }) => {
    const wanted = least !== undefined ? `≥ ${least} ${unit}` : `≤ ${most} ${unit}`;
    const value = figures.get(figure);
    if (value === undefined) return [what, wanted.trimEnd(), "-", "not measured"];
    const met = value >= (least ?? -Infinity) && value <= (most ?? Infinity);
    // Three digits, so that what is missed by little does not look as if it were met.
    const reached = Number.isInteger(value) || value >= 100
      ? value.toFixed(0)
      : value.toPrecision(3);
    return [what, wanted.trimEnd(), `${reached} ${unit}`, met ? "met" : "missed"];
  });
}
