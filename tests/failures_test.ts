/**
 * The complete error messages of failures. The table in `docs/troubleshooting.md` has the same
 * messages, and the document describes every code.
 */
import { assert, assertEquals } from "@std/assert";
import {
  connect,
  type ConnectOptions,
  knownHosts,
  loadKey,
  none,
  password,
  publicKey,
  SshError,
} from "@denossh/ssh";
import { Config } from "@denossh/ssh/config";
import { generateKey } from "@denossh/ssh/keys";
import {
  localFiles,
  type ServeOptions,
  serveStreams,
  type SessionHandler,
} from "@denossh/ssh/server";
import type { SftpBackend, SftpClient, SftpFileSystem } from "@denossh/ssh/sftp";
import { memoryPair } from "@denossh/ssh/testing";
import { runtime } from "../lib/runtime/runtime.ts";
import { FakeTime } from "./support/fake_time.ts";
import { fakeEnv } from "./support/fake_env.ts";
import { FakePrograms } from "./support/fake_programs.ts";
import { replaced } from "./support/replaced.ts";
import { tempFolder } from "./support/temp.ts";
import "./support/quick_refusals.ts";

const hostKey = await generateKey("ed25519");
const key = await generateKey("ed25519", { comment: "ann@laptop" });

/** A failure: its name, its cause, and the message; `…` stands for varying parts. */
interface Failure {
  readonly what: string;
  readonly cause: (home: string) => unknown;
  readonly said: string;
  /** The class of the error, and its code. */
  readonly kind: string;
}

/** Options to log in to db1, without a transport. */
const LOGIN = {
  hostname: "db1",
  user: "ann",
  auth: [none()],
  hostKeys: hostKey.publicKey,
  config: false,
} as const;

/** The servers of the test that runs. */
const servers: AsyncDisposable[] = [];

/** Options that log in to a server in memory. */
function wayTo(
  server: Partial<ServeOptions> = {},
  more: ConnectOptions = {},
  handler?: SessionHandler,
): ConnectOptions {
  const [near, far] = memoryPair();
  const options = { hostKeys: [hostKey], auth: { none: () => true }, ...server };
  servers.push(serveStreams(far, options, handler));
  return { ...LOGIN, transport: near, ...more };
}

/** The other end of a connection: sends a text and closes, or is silent. */
function saying(text: string | null): ConnectOptions {
  const readable = new ReadableStream<Uint8Array>({
    start(controller) {
      if (text === null) return;
      controller.enqueue(new TextEncoder().encode(text));
      controller.close();
    },
  });
  return { ...LOGIN, transport: { readable, writable: new WritableStream() } };
}

/** Logs in, and runs the function. */
async function on(
  way: ConnectOptions,
  act: (host: Awaited<ReturnType<typeof connect>>) => unknown,
): Promise<unknown> {
  await using host = await connect(way);
  return await act(host);
}

/** Runs a function with a server's files; by default the server gives no reasons, like OpenSSH's. */
function onFiles(
  root: string,
  act: (sftp: SftpClient) => unknown,
  { refuses = [], full = false }: { refuses?: readonly string[]; full?: boolean } = {},
): Promise<unknown> {
  const backend = new Proxy(localFiles({ root }), {
    get(files, name: keyof SftpBackend) {
      const method = files[name];
      if (refuses.includes(name)) return () => Promise.reject(new Error("no reason"));
      if (full && name === "statVfs") return () => Promise.resolve(FULL);
      return typeof method === "function" ? method.bind(files as never) : method;
    },
  });
  return on(wayTo({ sftp: backend }), async (host) => {
    await using sftp = await host.sftp();
    return await act(sftp);
  });
}

const FULL: SftpFileSystem = {
  ...{ blockSize: 4096, fragmentSize: 4096, blocks: 1000, freeBlocks: 0, availableBlocks: 0 },
  ...{ files: 100, freeFiles: 50, availableFiles: 50 },
  ...{ id: 1n, readOnly: false, noSetuid: false, maxNameLength: 255 },
};

const refusing = { auth: { password: () => false, publicKey: () => false } };

const FAILURES: readonly Failure[] = [
  {
    what: "The host is not in known_hosts",
    cause: (home) => connect(wayTo({}, { hostKeys: knownHosts(`${home}/known_hosts`) })),
    kind: "HostKeyError, `host-key`",
    said: "Host key of db1 refused (ssh-ed25519 SHA256:…): it is not in ~/known_hosts; if " +
      'the fingerprint is right, give hostKeys: "SHA256:…", or ' +
      'knownHosts("~/known_hosts", { unknown: "add" }) to add it, or a function as ' +
      '"unknown" to be asked',
  },
  {
    what: "The host has another key than before",
    cause: async (home) => {
      await Deno.writeTextFile(`${home}/other_hosts`, `db1 ${key.publicKey}\n`);
      await connect(wayTo({}, { hostKeys: knownHosts(`${home}/other_hosts`) }));
    },
    kind: "HostKeyError, `host-key`",
    said: "Host key of db1 refused (ssh-ed25519 SHA256:…): it differs from the one in " +
      "~/other_hosts line 1. Somebody may be intercepting the connection; if the host " +
      "was reinstalled, remove that line",
  },
  {
    what: "The host has another key than the one in `hostKeys`",
    cause: () => connect(wayTo({}, { hostKeys: key.publicKey })),
    kind: "HostKeyError, `host-key`",
    said: "Host key of db1 refused (ssh-ed25519 SHA256:…): it differs from the given " +
      "one: if the host was reinstalled, give its new key or fingerprint",
  },
  {
    what: "A wrong password",
    cause: () => connect(wayTo(refusing, { auth: [password("wrong")] })),
    kind: "AuthError, `auth`",
    said: 'Cannot log in as "ann" on db1: tried password; the server rejected every one; ' +
      "it allows publickey, password; check the user name and the password",
  },
  {
    what: "Keys that the server does not know, and an `IdentityFile` that is missing",
    cause: async (home) => {
      await Deno.writeTextFile(`${home}/id_ed25519`, key.export(), { mode: 0o600 });
      const files = ["id_ed25519", "id_work"].map((name) => `IdentityFile ${home}/${name}\n`);
      const config = Config.parse(`Host *\nIdentityAgent none\n${files.join("")}`);
      await connect(wayTo(refusing, { auth: undefined, config } as never));
    },
    kind: "AuthError, `auth`",
    said: 'Cannot log in as "ann" on db1: tried key "~/id_ed25519" (ED25519 SHA256:…); the ' +
      "server rejected every one; it allows publickey, password; check the user name, " +
      'and that authorized_keys on the server has the key; Key "~/id_work" was not ' +
      "used: there is no such file",
  },
  {
    what: "No credential at all",
    cause: () => connect(wayTo(refusing)),
    kind: "AuthError, `auth`",
    said: 'Cannot log in as "ann" on db1: there was no credential to try; it allows ' +
      'publickey, password; give a credential that it allows with the option "auth"',
  },
  {
    what: "A wrong key at a jump host",
    cause: () => {
      const bastion = wayTo(refusing, { hostname: "bastion", auth: [publicKey(key)] });
      return connect({ ...LOGIN, jump: bastion });
    },
    kind: "AuthError, `auth`",
    said: 'Cannot log in as "ann" on bastion: tried key "ann@laptop" (ED25519 SHA256:…); ' +
      "the server rejected every one; it allows publickey, password; check the user " +
      "name, and that authorized_keys on the server has the key (on the way to db1)",
  },
  {
    what: "A jump host that cannot reach the target",
    cause: () => {
      const bastion = wayTo({}, { hostname: "bastion" });
      return connect({ ...LOGIN, jump: bastion });
    },
    kind: "ConnectError, `connect`",
    said: "Cannot reach db1 through bastion: The peer refused a direct-tcpip channel: This " +
      "target is not allowed",
  },
  {
    what: "Nothing listens on the port",
    cause: async () => {
      const error = new Deno.errors.ConnectionRefused("Connection refused (os error 111)");
      using _ = replaced(runtime.net, "connect", () => Promise.reject(error));
      await connect(LOGIN);
    },
    kind: "ConnectError, `connect`",
    said: "Cannot connect to db1 port 22: Connection refused; check the port, and that an " +
      "SSH server runs there",
  },
  {
    what: "The name of the host is not known",
    cause: async () => {
      const why = "failed to lookup address information: Name or service not known";
      using _ = replaced(runtime.net, "connect", () => Promise.reject(new Error(why)));
      await connect(LOGIN);
    },
    kind: "ConnectError, `connect`",
    said: "Cannot connect to db1 port 22: failed to lookup address information: Name or " +
      "service not known; check the name",
  },
  {
    what: "What answers is a web server",
    cause: () => connect(saying("HTTP/1.1 400 Bad Request\r\n")),
    kind: "ConnectError, `connect`",
    said: 'The server does not speak SSH: it said "HTTP/1.1 400 Bad Request"; check the ' +
      "host and the port",
  },
  {
    what: "Nothing answers",
    cause: () => connect({ ...saying(null), timeout: 20 }),
    kind: "ConnectError, `timeout`",
    said: "Connecting to db1 timed out after 20 ms, while agreeing on keys: raise the option " +
      '"timeout" if the host is slow',
  },
  {
    what: "A `ProxyCommand` that fails",
    cause: async () => {
      using programs = new FakePrograms();
      using _terminal = replaced(runtime, "terminal", {
        stderr: { write: (bytes: Uint8Array) => Promise.resolve(bytes.length) },
      } as never);
      const started = programs.next();
      const proxyCommand = "nc db1 22";
      const connecting = connect({ ...LOGIN, proxyCommand });
      connecting.catch(() => {});
      const program = await started;
      const writer = program.stderr.getWriter();
      await writer.write(
        new Uint8Array(new TextEncoder().encode("\nsh: 1: exec: nc: not found\n")),
      );
      await writer.close();
      await program.stdout.close();
      program.exit({ code: 127 });
      await connecting;
    },
    kind: "ConnectError, `connect`",
    said: 'The proxy command "nc db1 22" ended with exit code 127: sh: 1: exec: nc: not ' +
      "found",
  },
  {
    what: "No algorithm in common",
    cause: () => connect(wayTo({ algorithms: { cipher: "aes128-cbc" } })),
    kind: "NegotiationError, `negotiation`",
    said: "No common cipher algorithm: we offer chacha20-poly1305@openssh.com, " +
      "aes128-gcm@openssh.com, aes256-gcm@openssh.com, aes128-ctr, aes192-ctr, " +
      "aes256-ctr, the peer offers aes128-cbc; to allow an older one: algorithms: { " +
      'cipher: "+aes128-cbc" }',
  },
  {
    what: "A permission is missing",
    cause: async () => {
      using _granted = replaced(runtime, "isGranted", () => false);
      using _asked = replaced(runtime, "requestPermission", () => Promise.resolve(false));
      await connect("db1");
    },
    kind: "NotCapable",
    said: "connect() needs permissions: run again with --allow-env=HOME,USER " +
      "--allow-read=$HOME/.ssh,/etc/ssh --allow-net=db1:22. HOME and the folders are " +
      "for known hosts and keys, USER is the user to log in as; with the options user, " +
      "auth and hostKeys it needs --allow-net alone",
  },
  {
    what: "A misspelt option",
    cause: () => connect("db1", { hostkeys: "SHA256:…" } as never),
    kind: "TypeError",
    said: 'connect() has no option "hostkeys": it may be "hostKeys"',
  },
  {
    what: "A key file that is not there",
    cause: (home) => loadKey(`${home}/id_none`),
    kind: "NotFound, `ENOENT`",
    said: 'Cannot load key "~/id_none": no such file or directory',
  },
  {
    what: "A key file with a passphrase",
    cause: async (home) => {
      await Deno.writeTextFile(`${home}/locked`, key.export({ passphrase: "x", rounds: 1 }));
      await loadKey(`${home}/locked`);
    },
    kind: "PassphraseError, `passphrase`",
    said: 'Cannot load key "~/locked": private key is encrypted: passphrase required',
  },
  {
    what: "A command fails",
    cause: () =>
      on(
        wayTo({}, {}, async (session) => {
          await session.channel.writeAllStderr(new TextEncoder().encode("make: no rule\n"));
          return 2;
        }),
        (host) => host.run("make all"),
      ),
    kind: "CommandError, `command`",
    said: 'Command "make all" failed with exit code 2: make: no rule',
  },
  {
    what: "A server that runs no commands",
    cause: () => on(wayTo(), (host) => host.run("uptime")),
    kind: "RequestDeniedError, `request-denied`",
    said: 'The server refused "exec": it runs no commands for this user',
  },
  {
    what: "`run()` without `await` before the scope ends",
    cause: async () => {
      let running;
      {
        await using host = await connect(
          wayTo(
            {},
            {},
            ({ signal }) =>
              new Promise((resolve) => signal.addEventListener("abort", () => resolve(0))),
          ),
        );
        running = host.run("sleep 60");
        running.catch(() => {});
        await host.openSession();
      }
      await running;
    },
    kind: "ClosedError, `closed`",
    said: "The connection was closed at the end of its scope while this was under way: " +
      "await it before the scope ends",
  },
  {
    what: "A server without SFTP",
    cause: () => on(wayTo(), (host) => host.sftp()),
    kind: "RequestDeniedError, `request-denied`",
    said: 'The server refused "subsystem": it has no subsystem "sftp" for this user',
  },
  {
    what: "A start-up file that prints in the way of SFTP",
    cause: () =>
      on(
        wayTo({
          subsystems: {
            sftp: async (session) => {
              await session.channel.writeAllStderr(
                new TextEncoder().encode("bashrc: line 3: oops\n"),
              );
              await session.print("Welcome to db1!\n");
            },
          },
        }),
        (host) => host.sftp(),
      ),
    kind: "SftpError, `sftp`",
    said: 'SFTP session is over: the answer is not from an SFTP server: it sent "Welcome to ' +
      'db1!", and said "bashrc: line 3: oops" on standard error; start-up files of the ' +
      "shell there must print nothing",
  },
  {
    what: "An SFTP server that ends at once",
    cause: () =>
      on(
        wayTo({
          subsystems: {
            sftp: async (session) => {
              await session.channel.writeAllStderr(
                new TextEncoder().encode("sftp-server: no such file\n"),
              );
              return 127;
            },
          },
        }),
        (host) => host.sftp(),
      ),
    kind: "SftpError, `sftp`",
    said: 'SFTP session is over: the server closed the channel, and said "sftp-server: no ' +
      'such file" on standard error',
  },
  {
    what: "A file on the server that is not there",
    cause: (home) => onFiles(home, (sftp) => sftp.readFile("/missing")),
    kind: "SftpError, `sftp`",
    said: 'Cannot open "/missing" on the server: No such file',
  },
  {
    what: "A file here that is not there",
    cause: (home) => onFiles(home, (sftp) => sftp.put(`${home}/missing`, "/file")),
    kind: "SftpError, `sftp`",
    said: 'Cannot transfer "~/missing" on this machine: No such file',
  },
  {
    what: "A folder that is there already, at a server that gives no reason",
    cause: async (home) => {
      await Deno.mkdir(`${home}/new`);
      await onFiles(home, (sftp) => sftp.mkdir("/new"), { refuses: ["mkdir"] });
    },
    kind: "SftpError, `sftp`",
    said: 'Cannot mkdir "/new" on the server: it exists already',
  },
  {
    what: "A folder that is not empty, at such a server",
    cause: async (home) => {
      await Deno.mkdir(`${home}/a/b`, { recursive: true });
      await onFiles(home, (sftp) => sftp.remove("/a"), { refuses: ["remove", "rmdir"] });
    },
    kind: "SftpError, `sftp`",
    said: 'Cannot remove "/a" on the server: it is a directory that is not empty',
  },
  {
    what: "A disk that is full, at such a server",
    cause: (home) =>
      onFiles(home, (sftp) => sftp.mkdir("/new"), { refuses: ["mkdir"], full: true }),
    kind: "SftpError, `sftp`",
    said: 'Cannot mkdir "/new" on the server: no space is left',
  },
  {
    what: "A connection that is used after its end",
    cause: async () => {
      const host = await connect(wayTo());
      await host.close();
      await host.run("uptime");
    },
    kind: "ClosedError, `closed`",
    said: "The connection is closed: closed by the application",
  },
  {
    what: "Standard error that is not read",
    cause: async () => {
      using time = new FakeTime();
      const unread: SessionHandler = ({ channel }) =>
        channel.writeAllStderr(new Uint8Array(100_000));
      const way = wayTo({ keepaliveInterval: 0 }, { window: 65_536, timeout: 0 }, unread);
      const host = await time.settle(connect(way), 1000);
      const process = await time.settle(host.command("make").spawn(), 1000);
      const reading = new Response(process.stdout).text();
      reading.catch(() => {});
      try {
        await time.settle(reading);
      } finally {
        await time.settle(host.close());
      }
    },
    kind: "SshError, `command`",
    said:
      "The command was ended, because it waited for its standard error to be read (65536 bytes): " +
      'read stderr in parallel with stdout, or spawn with stderr: "null" or "merge"',
  },
  {
    what: "A tunnel that the server forbids",
    cause: () => on(wayTo(), (host) => host.dial("10.0.0.5:5432")),
    kind: "ChannelOpenError, `channel-open`",
    said: "Cannot reach 10.0.0.5 port 5432 from the server: The peer refused a direct-tcpip " +
      "channel: This target is not allowed; AllowTcpForwarding or PermitOpen there decides",
  },
];

for (const { what, cause, kind, said } of FAILURES) {
  Deno.test(`failures: ${what}`, async () => {
    await using home = await tempFolder();
    using _env = fakeEnv({ HOME: home.path, USER: "ann" });
    const error = await Promise.resolve(cause(home.path)).then(() => null, (error) => error);
    for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
    assert(error instanceof Error, "it fails");
    const message = error.message.replaceAll(home.path, "~")
      .replace(/SHA256:[\w+/]{43}/g, "SHA256:…");
    const { code = "" } = error as { code?: string };
    const suffix = error instanceof SshError ? ` [${code}]` : "";
    assertEquals([error.name, message], [kind.split(",")[0], said + suffix]);
    assertEquals(code, /`(.*)`/.exec(kind)?.[1] ?? "");
  });
}

const guide = await Deno.readTextFile(new URL("../docs/troubleshooting.md", import.meta.url));

Deno.test("docs/troubleshooting.md has the current table of failures", () => {
  const [, table = ""] = guide.split("## Messages, word by word");
  const rows = table.split("\n").filter((line) => /^\| [^-]/.test(line)).slice(1)
    .map((line) => line.replace(/ +\|/g, " |"));
  assertEquals(
    rows,
    FAILURES.map(({ what, kind, said }) => `| ${what} | ${kind} | \`${said}\` |`),
  );
});

Deno.test("docs/troubleshooting.md has every class of error and every code, and no other", async () => {
  const source = await Deno.readTextFile(new URL("../lib/errors.ts", import.meta.url));
  const union = /type SshErrorCode =([^;]*);/.exec(source)![1]!;
  const codes = [...union.matchAll(/"([\w-]+)"/g)].map(([, code]) => code);
  assertEquals([...guide.matchAll(/^### `([\w-]+)`/gm)].map(([, code]) => code), codes);
  for (const [, name] of source.matchAll(/^export class (\w+)/gm)) {
    assert(guide.includes(`\`${name}\``), `${name} is missing`);
  }
});
