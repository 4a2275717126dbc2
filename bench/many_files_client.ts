/** Our client for the section `many-files`, in a separate process; prints times and memory as JSON. */
import process from "node:process";
import { login, timed } from "./lab.ts";
import { peakRss } from "./memory_client.ts";

const { port, user, identity, hostKey, folder } = JSON.parse(Deno.args[0]!);
await using host = await login({ port, user, identity, hostKey });
await using sftp = await host.sftp();
const told: Record<string, { ms: number; cpu: number; peak: number }> = {};
for (const what of ["thousand", "many"]) {
  for (const verb of ["put", "get"] as const) {
    const [from, to] = [`${folder}/${what}`, `${folder}/copy`];
    const began = process.cpuUsage();
    const ms = await timed(() => sftp[verb](from, to, { recursive: true }));
    const { user, system } = process.cpuUsage(began);
    told[`${verb} ${what}`] = { ms, cpu: (user + system) / 1000, peak: peakRss() };
    await Deno.remove(to, { recursive: true });
  }
}
console.log(JSON.stringify(told));
