import { type ForeignServer, writeKnownHosts } from "../../support/endpoint.ts";
import { freePort } from "../../support/free_port.ts";
import { hostKeys, KEY_KINDS, keyFile, type KeyKind } from "./keys.ts";
import { requirePeer } from "./peers.ts";
import { Program } from "../../support/program.ts";
import { must } from "../../support/run.ts";
import { killLeftovers } from "./sessions.ts";
import { tempFolder } from "../../support/temp.ts";
import { type TestUser, testUser } from "./test_user.ts";

const BIND_TRIES = 5;

/** Options of an OpenSSH server. */
export interface SshdOptions {
  /** Any keywords of sshd_config, such as `Ciphers` or `RekeyLimit`; they override the harness's. */
  config?: Readonly<Record<string, string | number>>;
  /** The host keys that it has; all kinds by default. */
  hostKeys?: readonly KeyKind[];
  /** The accepted user key; ed25519 by default. */
  userKey?: KeyKind;
  /** More authorized_keys lines, including options. */
  authorized?: readonly string[];
  /** Makes an account with a password, and accepts it by password or keyboard-interactive. */
  login?: "password" | "interactive";
}

/** An OpenSSH server for one test. */
export interface Sshd extends ForeignServer {
  /** The folder with its files. */
  readonly folder: string;
  /** The path of the accepted private key. */
  readonly identity: string;
}

/** Starts an OpenSSH server on loopback; resolves when it accepts connections. */
export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  await using stack = new AsyncDisposableStack();
  const sshd = await requirePeer("sshd");
  const folder = stack.use(await tempFolder());
  const keys = await hostKeys(options.hostKeys ?? KEY_KINDS);
  const userKey = await keyFile(options.userKey ?? "ed25519", "user");
  const authorized = [userKey.publicKey, ...options.authorized ?? []];
  await folder.write("authorized_keys", authorized.join("\n") + "\n", 0o644);
  const user = options.login === undefined ? undefined : stack.use(await testUser(folder.path));
  // sshd runs the sessions of that account in the folder.
  if (user !== undefined) await Deno.chmod(folder.path, 0o755);
  if (Deno.uid() === 0) await Deno.mkdir("/run/sshd", { recursive: true, mode: 0o755 });

  const listen = async (tries: number): Promise<[Program, number]> => {
    const port = freePort();
    const path = await folder.write(
      "sshd_config",
      configText(options, Object.values(keys).map((key) => key.path), port, folder.path),
    );
    const program = new Program(sshd, { args: ["-D", "-e", "-f", path] });
    try {
      const match = await program.waitFor(/Server listening on|Address already in use/);
      if (match[0].startsWith("Server")) return [program, port];
    } catch (error) {
      await program[Symbol.asyncDispose]();
      throw error;
    }
    await program[Symbol.asyncDispose]();
    if (tries === 1) throw new Error("No free port for sshd");
    return await listen(tries - 1); // another process took the port in between
  };
  const [program, port] = await listen(BIND_TRIES);
  if (Deno.build.os === "linux") stack.defer(() => killLeftovers(port));
  stack.use(program);
  const publicKeys = Object.values(keys).map((key) => key.publicKey);
  const knownHosts = await writeKnownHosts(folder, port, publicKeys);
  const parts = stack.move();
  return {
    hostname: "127.0.0.1",
    port,
    ...await credentials(user),
    identity: userKey.path,
    knownHosts,
    hostKeys: keys,
    folder: folder.path,
    pid: program.pid,
    get log() {
      return program.log;
    },
    waitFor: (pattern, ms) => program.waitFor(pattern, ms),
    kill: (signal) => program.kill(signal),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

function configText(
  options: SshdOptions,
  keys: readonly string[],
  port: number,
  folder: string,
): string {
  // sshd uses the first value of a keyword, so the test's come first.
  const settings: Record<string, string | number> = {
    ...options.config,
    Port: port,
    ListenAddress: "127.0.0.1",
    AuthorizedKeysFile: `${folder}/authorized_keys`,
    UsePAM: options.login === "interactive" ? "yes" : "no",
    StrictModes: "no",
    PidFile: "none",
    PermitRootLogin: "yes",
    PasswordAuthentication: options.login === "password" ? "yes" : "no",
    KbdInteractiveAuthentication: options.login === "interactive" ? "yes" : "no",
    LogLevel: "VERBOSE",
    Subsystem: "sftp internal-sftp",
    PrintMotd: "no",
    // The account's own start-up files are not what the tests are about, and may take a while.
    ...(options.login === undefined && { SetEnv: `HOME=${folder}` }),
    ...options.config,
  };
  const lines = Object.entries(settings).map(([keyword, value]) => `${keyword} ${value}`);
  return [...keys.map((path) => `HostKey ${path}`), ...lines, ""].join("\n");
}

async function credentials(user: TestUser | undefined): Promise<{
  user: string;
  password?: string;
  answers?: readonly string[];
}> {
  if (user === undefined) return { user: (await must("id", ["-un"])).text.trim() };
  return { user: user.name, password: user.password, answers: [user.password] };
}
