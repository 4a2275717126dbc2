/**
 * TCP's congestion control, which matters over loopback, too: BBR spaces the packets by timers, and those
 * cost the sender CPU time; CUBIC, which Linux uses unless told otherwise, does not.
 */
const CONTROL = "/proc/sys/net/ipv4/tcp_congestion_control";

/** Its first argument is the congestion control, the others are the command to run. */
const SCRIPT = `ip link set lo up && echo "$0" > ${CONTROL} && exec "$@"`;

/** The congestion control of new connections; null if the system does not tell. */
export function congestionControl(): string | null {
  try {
    return Deno.readTextFileSync(CONTROL).trim();
  } catch {
    return null;
  }
}

/**
 * Runs a script with another congestion control, in a network namespace of its own, so that nothing else
 * on the machine changes. Needs Linux and root.
 *
 * @returns The exit status
 */
export async function runInOwnNetwork(
  control: string,
  script: string,
  args: readonly string[],
): Promise<number> {
  const again = [Deno.execPath(), "run", "-A", script, ...args];
  const child = new Deno.Command("unshare", {
    args: ["--net", "sh", "-c", SCRIPT, control, ...again],
  }).spawn();
  return (await child.status).code;
}
