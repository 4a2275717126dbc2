/** A separate ssh-agent for a test. */
import { requirePeer } from "../harness/peers.ts";
import { Program } from "../../support/program.ts";
import { must } from "../../support/run.ts";
import { tempFolder } from "../../support/temp.ts";

/** A running agent. */
export interface SshAgent extends AsyncDisposable {
  /** The path of its socket. */
  readonly path: string;
  /** Adds the key in a file. */
  add(file: string): Promise<void>;
}

/** Starts an agent without keys. */
export async function startSshAgent(): Promise<SshAgent> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder());
  const path = folder.join("agent");
  const program = stack.use(
    new Program(await requirePeer("ssh-agent"), {
      args: ["-D", "-a", path],
    }),
  );
  await program.waitFor(/SSH_AUTH_SOCK=/);
  const parts = stack.move();
  return {
    path,
    add: async (file) => {
      await must("ssh-add", ["-q", file], { env: { SSH_AUTH_SOCK: path } });
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
