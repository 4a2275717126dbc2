/**
 * Our client for `bench/sftp.ts`: gets its job as JSON and prints milliseconds as JSON; of repeated
 * actions, the median.
 */
import process from "node:process";
import { login, timed } from "../lab.ts";
import { median } from "./table.ts";

const { port, user, identity, hostKey, cipher, folder, out, actions } = JSON.parse(Deno.args[0]!);
await using host = await login({ port, user, identity, hostKey }, { algorithms: { cipher } });
await using sftp = await host.sftp();
const runs: Record<string, { ms: number; cpu: number }[]> = {};
for (const action of actions as string[]) {
  const [verb, what] = action.split(" ");
  const [from, to] = [`${folder}/${what}`, `${out}/copy`];
  const options = { recursive: what !== "large" };
  const began = process.cpuUsage();
  const ms = await timed(() =>
    verb === "get" ? sftp.get(from, to, options) : sftp.put(from, to, options)
  );
  const { user, system } = process.cpuUsage(began);
  (runs[action] ??= []).push({ ms, cpu: (user + system) / 1000 });
  await Deno.remove(to, { recursive: true });
}
const medians = Object.entries(runs).map(([action, times]) => [action, {
  ms: median(times.map(({ ms }) => ms)),
  cpu: median(times.map(({ cpu }) => cpu)),
}]);
console.log(JSON.stringify(Object.fromEntries(medians)));
