/** An open connection of OpenSSH's client, over which further clients run commands. */
import type { Endpoint } from "../../tests/support/endpoint.ts";
import { configFlags } from "../../tests/support/ssh_flags.ts";
import { Program } from "../../tests/support/program.ts";
import { must, run } from "../../tests/support/run.ts";
import { tempFolder } from "../../tests/support/temp.ts";

/** Runs commands over one connection. */
export interface Master extends AsyncDisposable {
  /** Runs a command as a process of `ssh` that shares the connection. */
  run(command: string): Promise<void>;
}

/** Connects, and waits until others may share the connection. */
export async function startMaster(
  ssh: string,
  endpoint: Endpoint,
  config: Readonly<Record<string, string | number>> = {},
): Promise<Master> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder());
  const destination = `${endpoint.user}@${endpoint.hostname}`;
  const shared = ["-S", folder.join("master")];
  const program = new Program(ssh, {
    args: ["-M", "-N", ...shared, ...configFlags(endpoint, config), destination],
  });
  stack.use(program);
  let ended = false;
  program.status.then(() => ended = true);
  while ((await run(ssh, [...shared, "-O", "check", destination])).code !== 0) {
    if (ended) throw new Error(`ssh does not connect: ${program.log}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const parts = stack.move();
  return {
    async run(command) {
      await must(ssh, [...shared, "-F", "none", destination, command]);
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
