import { publicKey } from "../../lib/auth/public_key.ts";
import type { Client } from "../../lib/client/client.ts";
import { connect } from "../../lib/client/connect.ts";
import { generateKey } from "../../lib/keys/private_key.ts";
import { serve } from "../../lib/server/serve.ts";
import { systemShell } from "../../lib/server/system_shell.ts";
import { localFiles } from "../../lib/sftp/server/local_files.ts";

/** A server for the demo. */
export interface DemoHost extends AsyncDisposable {
  readonly client: Client;
  /** Its name in the output. */
  readonly name: string;
  /** The local path of a file on the server, if the server is on this machine. */
  readonly localPath: ((path: string) => string) | null;
}

/** Starts a temporary server in this process, with new keys and an empty folder. */
export async function embeddedHost(): Promise<DemoHost> {
  await using stack = new AsyncDisposableStack();
  const root = await Deno.makeTempDir({ prefix: "denossh-demo-" });
  stack.defer(() => Deno.remove(root, { recursive: true }));
  const hostKey = stack.use(await generateKey("ed25519"));
  const userKey = stack.use(await generateKey("ed25519"));
  const server = stack.use(serve({
    port: 0,
    hostname: "127.0.0.1",
    hostKeys: [hostKey],
    auth: { publicKey: (user, key) => user === "demo" && key.equals(userKey.publicKey) },
    sftp: localFiles({ root }),
    pty: false,
  }, systemShell({ cwd: root })));
  const client = stack.use(
    await connect({
      hostname: "127.0.0.1",
      port: server.addr.port,
      user: "demo",
      auth: [publicKey(userKey)],
      hostKeys: hostKey.publicKey,
    }),
  );
  const parts = stack.move();
  return {
    client,
    name: `127.0.0.1:${server.addr.port}, in this process`,
    localPath: (path) => `${root}${path}`,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
