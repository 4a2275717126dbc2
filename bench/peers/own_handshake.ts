/** Measures the same times as `ssh2_handshake.mjs` with our module, also in a separate process. */
import { type Client, connect, loadKey, publicKey } from "../../mod.ts";

const { port, user, identity, hostKey, rounds, many } = JSON.parse(Deno.args[0] ?? "{}");
const key = publicKey(await loadKey(identity));

const login = (): Promise<Client> =>
  connect({ hostname: "127.0.0.1", port, user, auth: [key], hostKeys: hostKey, config: false });
const exec = (client: Client) => client.command("true").output();

async function times(count: number, what: () => Promise<unknown>): Promise<number[]> {
  const all: number[] = [];
  for (let i = 0; i < count; i++) {
    const began = performance.now();
    await what();
    all.push(performance.now() - began);
  }
  return all;
}

async function connectOnce(): Promise<void> {
  await using client = await login();
  await exec(client);
}

await connectOnce(); // compiles everything that is compiled once
const connected = await times(rounds.connect, connectOnce);
await using client = await login();
await exec(client);
const execs = await times(rounds.exec, () => exec(client));
const atOnce = await times(
  rounds.atOnce,
  () => Promise.all(Array.from({ length: many }, () => exec(client))),
);
console.log(JSON.stringify({ connect: connected, exec: execs, atOnce }));
