/**
 * The server's side of channels: the decisions of paramiko's ServerInterface, and send_exit_status,
 * send_stderr, check_channel_env_request and so on. Try `ssh -p 2222 me@localhost greet`:
 *
 *     deno run --allow-net examples/channel_server.ts
 */
import { generateKey } from "@denossh/ssh/keys";
import { serve } from "@denossh/ssh/server";

const server = serve({
  port: Number(Deno.args[0] ?? 2222),
  hostname: "127.0.0.1",
  hostKeys: [await generateKey()],
  auth: { none: (user) => user === "me" }, // check_auth_none
  pty: false, // check_channel_pty_request
  forward: { local: (to) => "port" in to && to.port === 80 }, // check_channel_direct_tcpip_request
}, async (session) => { // check_channel_exec_request, check_channel_shell_request
  session.onSignal((name) => session.exitSignal(name));
  switch (session.command) {
    case "greet":
      await session.print(`hello ${session.user}\n`);
      return 0; // send_exit_status
    case "env":
      await session.print(JSON.stringify(session.env) + "\n");
      return 0;
    case "wait":
      await new Promise((resolve) => session.signal.addEventListener("abort", resolve));
      return;
    default:
      await session.printError(`${session.command}: unknown\n`); // send_stderr
      return 127;
  }
});
console.log(`Listening on port ${server.addr.port}`);
await server.finished;
