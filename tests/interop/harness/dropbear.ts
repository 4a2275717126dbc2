import { type ForeignServer, writeKnownHosts } from "../../support/endpoint.ts";
import { freePort } from "../../support/free_port.ts";
import { hostKeys, keyFile, type KeyKind } from "./keys.ts";
import { requirePeer } from "./peers.ts";
import { Program } from "../../support/program.ts";
import { must } from "../../support/run.ts";
import { killLeftovers } from "./sessions.ts";
import { tempFolder } from "../../support/temp.ts";
import { testUser } from "./test_user.ts";

const BIND_TRIES = 5;

/** How to start a Dropbear server. */
export interface DropbearOptions {
  /** The host keys that it has; ed25519 by default. */
  hostKeys?: readonly KeyKind[];
  /** The accepted user key; ed25519 by default. */
  userKey?: KeyKind;
  /** Flags added to the command line, such as `-w` or `-j`. */
  flags?: readonly string[];
}

/**
 * Starts a Dropbear server on loopback. It accepts a new account, by key or password, since it reads
 * keys only in home folders; so it needs root.
 */
export async function startDropbear(options: DropbearOptions = {}): Promise<ForeignServer> {
  await using stack = new AsyncDisposableStack();
  const dropbear = await requirePeer("dropbear");
  const folder = stack.use(await tempFolder());
  const user = stack.use(await testUser(folder.path));
  const userKey = await keyFile(options.userKey ?? "ed25519", "user");
  await Deno.mkdir(folder.join(".ssh"), { mode: 0o700 });
  await folder.write(".ssh/authorized_keys", userKey.publicKey + "\n");
  await must("chown", ["-R", user.name, folder.path]);

  const kinds = options.hostKeys ?? ["ed25519"];
  const keys = await hostKeys(kinds);
  const keyFlags: string[] = [];
  for (const kind of kinds) {
    const own = folder.join(`host_${kind}`);
    await must("dropbearconvert", ["openssh", "dropbear", keys[kind]!.path, own]);
    keyFlags.push("-r", own);
  }
  const listen = async (tries: number): Promise<[Program, number]> => {
    const port = freePort();
    const flags = ["-F", "-E", "-P", folder.join("pid"), "-p", `127.0.0.1:${port}`];
    const program = new Program(dropbear, {
      args: [...flags, ...keyFlags, ...options.flags ?? []],
    });
    try {
      const match = await program.waitFor(/Not backgrounding|Address already in use/);
      if (match[0].startsWith("Not")) return [program, port];
    } catch (error) {
      await program[Symbol.asyncDispose]();
      throw error;
    }
    await program[Symbol.asyncDispose]();
    if (tries === 1) throw new Error("No free port for dropbear");
    return await listen(tries - 1);
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
    user: user.name,
    password: user.password,
    identity: userKey.path,
    knownHosts,
    hostKeys: keys,
    pid: program.pid,
    get log() {
      return program.log;
    },
    waitFor: (pattern, ms) => program.waitFor(pattern, ms),
    kill: (signal) => program.kill(signal),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
