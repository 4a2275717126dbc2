/**
 * Runs a command as root. Asks for the password if sudo needs one, and again if it was wrong.
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh \
 *       examples/sudo.ts user@host systemctl restart web
 */
import { CommandError, connect, promptSecret, SudoError } from "@denossh/ssh";

const [target, command, ...args] = Deno.args;
await using host = await connect(target!);
try {
  const password = () => promptSecret(`Password for sudo on ${target}: `);
  await host.sudo(command!, { args, password, stdout: "inherit", stderr: "inherit" });
} catch (error) {
  if (!(error instanceof CommandError || error instanceof SudoError)) throw error;
  console.error(error.message);
  Deno.exitCode = error instanceof CommandError ? error.exitCode ?? 255 : 255;
}
