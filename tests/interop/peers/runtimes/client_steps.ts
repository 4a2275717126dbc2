/** The steps of a client on each runtime, without platform-specific code. */
import { type Client, connect, type ConnectOptions, publicKey } from "@denossh/ssh";
import { importPrivateKey } from "@denossh/ssh/keys";

/** Where to log in, as JSON. */
export interface Login {
  readonly hostname: string;
  readonly port: number;
  readonly user: string;
  /** The private key, as text. */
  readonly key: string;
  /** The fingerprint of the host key. */
  readonly hostKey: string;
  /** A folder on the server that may be written to. */
  readonly folder: string;
  /** An echo port on the server. */
  readonly echoPort: number;
}

/** The results of the steps, as JSON. */
export interface Findings {
  readonly server: string;
  readonly output: string;
  readonly sftp: { readonly sent: string; readonly onServer: string; readonly received: string };
  readonly echo: string;
}

const BYTES = 5_000_000;

/** Logs in with only the given data; `carrier` is the transport, if not TCP. */
export function logIn(login: Login, carrier: Partial<ConnectOptions> = {}): Promise<Client> {
  const { hostname, port, user, key, hostKey } = login;
  const auth = [publicKey(importPrivateKey(key))];
  return connect({ hostname, port, user, auth, hostKeys: hostKey, ...carrier });
}

/** Runs a command, sends and fetches a file, and uses a tunnel. */
export async function clientSteps(
  login: Login,
  carrier: Partial<ConnectOptions> = {},
): Promise<Findings> {
  await using host = await logIn(login, carrier);
  const output = await host.run("cat", { input: "over standard input" });

  const path = `${login.folder}/sent.bin`;
  const bytes = mixedBytes(BYTES);
  await using sftp = await host.sftp();
  await sftp.writeFile(path, bytes);
  const onServer = (await host.run(`sha256sum ${path}`)).split(" ")[0]!;
  const received = await sha256(await sftp.readFile(path));

  using conn = await host.dial({ hostname: "127.0.0.1", port: login.echoPort });
  const writer = conn.writable.getWriter();
  await writer.write(new TextEncoder().encode("through the tunnel"));
  await writer.close();
  const echo = await new Response(conn.readable).text();
  return {
    server: host.info.server,
    output,
    sftp: { sent: await sha256(bytes), onServer, received },
    echo,
  };
}

/** Non-repeating bytes. */
export function mixedBytes(length: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0, x = 1; i < words.length; i++) words[i] = x = Math.imul(x, 0x915f77f5) + 1;
  return new Uint8Array(words.buffer, 0, length);
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
