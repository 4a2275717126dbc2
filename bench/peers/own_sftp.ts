/** Our client for `bench/sftp.ts`: what to do comes as JSON, the milliseconds go back as JSON. */
import process from "node:process";
import { login, timed } from "../lab.ts";

const { port, user, identity, hostKey, cipher, folder, out, actions } = JSON.parse(Deno.args[0]!);
await using host = await login({ port, user, identity, hostKey }, { algorithms: { cipher } });
await using sftp = await host.sftp();
const times: Record<string, { ms: number; cpu: number }> = {};
for (const action of actions as string[]) {
  const [verb, what] = action.split(" ");
  const [from, to] = [`${folder}/${what}`, `${out}/copy`];
  const options = { recursive: what !== "large" };
  const began = process.cpuUsage();
  const ms = await timed(() =>
    verb === "get" ? sftp.get(from, to, options) : sftp.put(from, to, options)
  );
  const { user, system } = process.cpuUsage(began);
  times[action] = { ms, cpu: (user + system) / 1000 };
  await Deno.remove(to, { recursive: true });
}
console.log(JSON.stringify(times));
