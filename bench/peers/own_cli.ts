/** Our `cli serve` in a separate process, with the keys of the interop tests. */
import type { Endpoint } from "../../tests/support/endpoint.ts";
import { keyFile } from "../../tests/support/keys.ts";
import { tempFolder } from "../../tests/support/temp.ts";
import { denoProgram } from "../lab.ts";

const CLI = new URL("../../lib/cli/main.ts", import.meta.url).pathname;

/** A running `cli serve`. */
export interface OwnCli extends Endpoint, AsyncDisposable {
  readonly identity: string;
  readonly hostKey: string;
  readonly pid: number;
}

/** Starts it with further flags, such as `--exec` or `--root`. */
export async function startOwnCli(
  flags: readonly string[],
): Promise<OwnCli> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder());
  const [host, user] = await Promise.all([keyFile("ed25519", "host"), keyFile("ed25519", "user")]);
  const authorized = await folder.write("authorized_keys", `${user.publicKey}\n`);
  const program = stack.use(denoProgram(CLI, [
    "serve",
    ...flags,
    ...["--port", "0", "--host-key", host.path, "--authorized-keys", authorized],
  ]));
  const [, port] = await program.waitFor(/^Listening on 127\.0\.0\.1:(\d+)/m);
  const parts = stack.move();
  return {
    hostname: "127.0.0.1",
    port: Number(port),
    user: "bench",
    identity: user.path,
    hostKey: host.publicKey,
    pid: program.pid,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
