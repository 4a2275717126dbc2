/** Our client for `bench/sftp.ts`: what to do comes as JSON, the milliseconds go back as JSON. */
import { login, timed } from "../lab.ts";

const { port, user, identity, hostKey, cipher, folder, actions } = JSON.parse(Deno.args[0]!);
await using host = await login({ port, user, identity, hostKey }, { algorithms: { cipher } });
await using sftp = await host.sftp();
const times: Record<string, number> = {};
for (const action of actions as string[]) {
  const [verb, what] = action.split(" ");
  const [from, to] = [`${folder}/${what}`, `${folder}/out`];
  const options = { recursive: what !== "large" };
  times[action] = await timed(() =>
    verb === "get" ? sftp.get(from, to, options) : sftp.put(from, to, options)
  );
  await Deno.remove(to, { recursive: true });
}
console.log(JSON.stringify(times));
