/** Our client for the harness's servers, and our server for its clients. */
import {
  type Client,
  connect,
  type ConnectOptions,
  knownHosts,
  loadKey,
  publicKey,
} from "@denossh/ssh";
import { importPrivateKey, importPublicKey } from "@denossh/ssh/keys";
import {
  localFiles,
  serve,
  type ServeOptions,
  type SessionHandler,
  systemShell,
} from "@denossh/ssh/server";
import { encodeHex } from "../../lib/encoding.ts";
import type { Endpoint } from "./endpoint.ts";
import { keyFile, type KeyKind } from "./keys.ts";
import { type TempFolder, tempFolder } from "./temp.ts";

export { noise } from "./random.ts";

/** Logs our client in to a server of the harness with its key. */
export async function connectTo(
  endpoint: Endpoint,
  options: ConnectOptions = {},
): Promise<Client> {
  const { hostname, port, user, identity, knownHosts: hosts } = endpoint;
  return await connect({
    hostname,
    port,
    user,
    auth: identity === undefined ? [] : [publicKey(await loadKey(identity))],
    hostKeys: knownHosts(hosts!),
    ...options,
  });
}

/** Our server in this process: it runs commands, and serves an empty folder. */
export interface OurServer extends Endpoint, AsyncDisposable {
  readonly folder: TempFolder;
  readonly root: string;
  readonly identity: string;
  readonly knownHosts: string;
  /** The errors that ended connections. */
  readonly errors: unknown[];
}

/** Starts it; it accepts the harness's user key and the password `secret`. */
export async function startOurs(
  options: Partial<ServeOptions> = {},
  kinds: readonly KeyKind[] = ["ed25519"],
  handler: SessionHandler = systemShell(),
  userKind: KeyKind = "ed25519",
  keysOf: typeof keyFile = keyFile,
): Promise<OurServer> {
  const folder = await tempFolder();
  const root = folder.join("root");
  await Deno.mkdir(root);
  const userKey = await keysOf(userKind, "user");
  const allowed = importPublicKey(userKey.publicKey);
  const keys = await Promise.all(kinds.map((kind) => keysOf(kind, "host")));
  const errors: unknown[] = [];
  const server = serve({
    port: 0,
    hostname: "127.0.0.1",
    hostKeys: await Promise.all(
      keys.map(async ({ path }) => importPrivateKey(await Deno.readTextFile(path))),
    ),
    auth: { publicKey: (_user, key) => key.equals(allowed) },
    sftp: localFiles({ root }),
    maxSessions: 200,
    pty: false,
    penalties: false, // all clients of the tests have one address
    onError: (error) => errors.push(error),
    ...options,
  }, handler);
  const { port } = server.addr;
  const lines = keys.map(({ publicKey }) => `[127.0.0.1]:${port} ${publicKey}\n`);
  return {
    hostname: "127.0.0.1",
    port,
    user: "tester",
    identity: userKey.path,
    knownHosts: await folder.write("known_hosts", lines.join("")),
    folder,
    root,
    errors,
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** SHA-256 in hexadecimal, as `sha256sum` prints it. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return encodeHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}
