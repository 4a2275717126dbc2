/**
 * A server that shows the keys in the agents that its clients forward. Try `ssh -A -p 2222 me@localhost`:
 *
 *     deno run --allow-net examples/agent_server.ts
 */
import { connectAgent } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { serve } from "@denossh/ssh/server";

const server = serve({
  port: Number(Deno.args[0] ?? 2222),
  hostname: "127.0.0.1",
  hostKeys: [await generateKey("ed25519")],
  auth: { none: () => true },
  forward: { agent: ({ user }) => user !== "guest" }, // refused unless allowed
}, async (session) => {
  if (!session.agent) return await session.print("Your agent is not forwarded: use ssh -A\n");
  await using agent = await connectAgent(session.agent);
  for (const { publicKey } of await agent.identities()) await session.print(`${publicKey}\n`);
});
console.log(`Listening on port ${server.addr.port}`);
await server.finished;
