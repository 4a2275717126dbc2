/**
 * Kills the remaining commands of sessions on this loopback port. A command that neither reads nor
 * writes outlives its connection and is then reparented to init, so it is found by SSH_CONNECTION,
 * which `sshd` sets and which names the port.
 */
export async function killLeftovers(port: number): Promise<void> {
  const mark = new RegExp(`(^|\\0)SSH_CONNECTION=127\\.0\\.0\\.1 \\d+ 127\\.0\\.0\\.1 ${port}\\0`);
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (mark.test(await Deno.readTextFile(`/proc/${name}/environ`))) {
        Deno.kill(Number(name), "SIGKILL");
      }
    } catch {
      // It has ended meanwhile, or belongs to another user.
    }
  }
}
