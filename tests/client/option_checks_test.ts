/** Invalid options are refused at the call, and the error says what to write instead. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  connect,
  type ConnectOptions,
  interactive,
  knownHosts,
  loadKey,
  none,
  password,
  publicKey,
} from "@denossh/ssh";
import { generateKey, signMessage } from "@denossh/ssh/keys";
import {
  authorizedKeys,
  localFiles,
  serve,
  type ServeOptions,
  systemShell,
} from "@denossh/ssh/server";
import { connectedPair } from "@denossh/ssh/testing";
import { nearest, shown } from "../../lib/option_checks.ts";

const key = await generateKey("ed25519");
const SECRET = "hunter2 ";

const wrong: [unknown, string][] = [
  [{ username: "me" }, 'no option "username": it may be "user"'],
  [{ host: "db1" }, 'no option "host": it may be "hostname"'],
  [{ timeOut: 5 }, 'no option "timeOut": it may be "timeout"'],
  [{ keepAliveInterval: 5 }, 'it may be "keepaliveInterval"'],
  [{ privateKey: SECRET }, "write auth: [publicKey(importPrivateKey(text))]"],
  [{ password: SECRET }, 'no option "password": write auth: [password("…")]'],
  [{ passphrase: SECRET }, "write auth: [publicKey(await loadKey("],
  [{ agent: "/run/agent" }, "write auth: [agent()]"],
  [{ timeout: "5s" }, 'timeout must be a number of milliseconds, at least 0, not the text "5s"'],
  [{ timeout: -1 }, "timeout must be a number of milliseconds, at least 0, not -1"],
  [{ timeout: NaN }, "timeout must be a number"],
  [{ user: 7 }, "user must be text, not 7"],
  [{ auth: key }, "auth must be an array of credentials, such as [publicKey(key)]"],
  [{ auth: none() }, "auth must be an array"],
  [{ auth: "~/.ssh/id_ed25519" }, 'auth is a text: write [password("…")], or [publicKey('],
  [{ auth: [key] }, "auth[0] is a private key: wrap it in publicKey(key)"],
  [{ auth: [none(), SECRET] }, 'auth[1] is a text: write password("…"), or publicKey('],
  [{ auth: [{ password: SECRET }] }, "auth[0] is an object, but not a credential"],
  [{ auth: [undefined] }, "auth[0] is undefined, not a credential"],
  [{ hostKeys: "/path/known_hosts" }, 'for a file write knownHosts("/path/known_hosts")'],
  [{ hostKeys: true }, "hostKeys must be a policy, a function, a key or several, not true"],
  [
    { algorithms: { ciphers: "aes256-ctr" } },
    'algorithms has no option "ciphers": it may be "cipher"',
  ],
  [{ algorithms: { cipher: 5 } }, "algorithms: cipher must be an array of texts, not 5"],
  [{ algorithms: "weak" }, "algorithms must be an object"],
  [
    { signal: new AbortController() },
    "signal must be an AbortSignal, not an object (AbortController)",
  ],
  [{ env: { A: 1 } }, "env must be an object of texts by their names"],
  [{ onBanner: console }, "onBanner must be a function"],
  [{ jump: 5 }, "jump must be a host, options, a client or an array of them, not 5"],
  [{ transport: {} }, "transport must be a pair of streams"],
];
for (const [options, expected] of wrong) {
  Deno.test(`connect() refuses invalid options: ${expected}`, async () => {
    const asked = options as ConnectOptions;
    const error = await assertRejects(() => connect("nowhere.invalid", asked), TypeError, expected);
    assert(!error.message.includes(SECRET));
  });
}

Deno.test("connect() accepts undefined options, and keys in every form", async () => {
  await using pair = await connectedPair({
    connect: { env: undefined, hostKeyAlias: undefined } as never,
  });
  assertEquals(pair.host.info.user, "tester");
  for (const hostKeys of [`${key.publicKey}`, key.publicKey.fingerprint(), [key.publicKey]]) {
    const error = await connect({ hostname: "127.0.0.1", port: 1, user: "x", auth: [], hostKeys })
      .catch((error) => error);
    assert(!(error instanceof TypeError), String(error));
  }
});

const commands: [unknown, string][] = [
  [{ stdin: "hello" }, 'text goes to `input`, not the text "hello"'],
  [{ stdin: 5 }, "not 5"],
  [{ stdout: "pipe" }, 'stdout must be one of "piped", "null", "inherit", not the text "pipe"'],
  [{ environment: {} }, 'command() has no option "environment": it may be "env"'],
  [{ timeout: "1m" }, "timeout must be a number of milliseconds"],
  [{ args: "a b" }, "args must be an array of texts"],
  [{ pty: "xterm" }, "pty must be an object"],
];
for (const [options, expected] of commands) {
  Deno.test(`command() refuses invalid options: ${expected}`, async () => {
    await using pair = await connectedPair({ handler: () => 0 });
    assertThrows(() => pair.host.command("x", options as never), TypeError, expected);
    await assertRejects(() => pair.host.run("x", options as never), TypeError, expected);
  });
}

const servers: [unknown, string][] = [
  [{ hostKey: key }, 'serve() has no option "hostKey": it may be "hostKeys"'],
  [{ hostKeys: key }, "hostKeys must be an array of private keys"],
  [{ hostKeys: ["host_key"] }, 'such as [await hostKeyFile("host_key")]'],
  [{ port: "22" }, 'port must be a port from 0 to 65535, not the text "22"'],
  [{ loginGraceTime: "2m" }, "loginGraceTime must be a number of milliseconds"],
  [{ algorithms: { macs: [] } }, 'it may be "mac"'],
  [{ penalties: "no" }, "penalties must be an object or false"],
  [{ hostKeys: undefined }, 'serve() needs hostKeys, such as [await hostKeyFile("host_key")]'],
  [{ auth: undefined }, 'serve() needs auth, such as { publicKey: authorizedKeys("…") }'],
  [{ auth: { password: SECRET } }, "auth has a mistake: password must be a function"],
  [{ forward: { local: true } }, "forward: local must be a function, not true"],
  [{ forward: { locale: () => true } }, 'forward has no option "locale": it may be "local"'],
  [
    { sftp: { backend: {}, readonly: true } },
    'sftp has no option "readonly": it may be "readOnly"',
  ],
];
for (const [options, expected] of servers) {
  Deno.test(`serve() refuses invalid options: ${expected}`, () => {
    const usual = { port: 0, hostKeys: [key], auth: { none: () => true } };
    assertThrows(() => serve({ ...usual, ...options as ServeOptions }), TypeError, expected);
  });
}

const helpers: [() => unknown, string][] = [
  [() => connect(undefined as never), "connect() needs options, not undefined"],
  [() => serve(null as never), "serve() needs options, not null"],
  [() => publicKey(SECRET as never), "publicKey() needs a private key, such as await loadKey("],
  [() => publicKey(key.publicKey as never), "publicKey() needs a private key"],
  [
    () => serve({ port: 0, hostKeys: [key], auth: {} }, {} as never),
    "the handler must be a function",
  ],
  [() => password(undefined as never), "password() needs a text or a function, not undefined"],
  [() => password(1234 as never), "password() needs a text or a function, not number"],
  [() => interactive(SECRET as never), "interactive() needs a function that answers, not string"],
  [() => loadKey(undefined as never), "loadKey() needs the path of a file, not undefined"],
  [() => knownHosts("x", { unknowns: "add" } as never), 'it may be "unknown"'],
  [() => knownHosts("x", { unknown: "yes" } as never), 'unknown must be one of "refuse", "add"'],
  [() => signMessage(key, new Uint8Array(1), {} as never), 'a namespace, such as "file"'],
  [() => localFiles("." as never), 'localFiles() needs options, not the text "."'],
  [() => localFiles({} as never), "localFiles() needs root, the folder to serve"],
  [() => localFiles({ root: ".", readonly: true } as never), 'it may be "readOnly"'],
  [() => systemShell({ acceptEnvs: () => true } as never), 'it may be "acceptEnv"'],
  [() => authorizedKeys("keys", { revoke: () => true } as never), 'it may be "revoked"'],
  [() => authorizedKeys("keys", { authorities: key.publicKey } as never), "an array of keys"],
];
for (const [call, expected] of helpers) {
  Deno.test(`A wrong argument is refused at the call: ${expected}`, async () => {
    const error = await assertRejects(async () => await call(), TypeError, expected);
    assert(!error.message.includes(SECRET));
  });
}

Deno.test("Wrong arguments of a client's methods are refused at the call", async () => {
  const root = await Deno.makeTempDir();
  await using pair = await connectedPair({ serve: { sftp: localFiles({ root }) } });
  const { host } = pair;
  await using sftp = await host.sftp();
  const calls: [() => unknown, string][] = [
    [() => host.listen(8080 as never), "must be { port } or { path }, not 8080"],
    [
      () => host.forwardLocal({ to: "a:1" } as never),
      "must be { port } or { path }, not undefined",
    ],
    [() => host.dial(undefined as never), 'must be "host:port" or a path, not undefined'],
    [() => sftp.readFile(undefined as never), "A path must be text, not undefined"],
    [() => sftp.chmod("/", "755" as never), 'such as 0o644, not the text "755"'],
  ];
  for (const [call, expected] of calls) {
    await assertRejects(async () => await call(), TypeError, expected);
  }
  await Deno.remove(root);
});

Deno.test("The nearest name is one that differs little, or none", () => {
  const names = ["timeout", "user", "hostKeys", "keepaliveInterval"];
  assertEquals(nearest("timeuot", names), "timeout");
  assertEquals(nearest("hostkey", names), "hostKeys");
  assertEquals(nearest("interval", names), "keepaliveInterval");
  assertEquals(nearest("zzz", names), null);
  assertEquals(nearest("x", []), null);
});

Deno.test("A value in an error is shortened, and shows its type", () => {
  assertEquals(shown("x".repeat(50)), `the text "${"x".repeat(40)}…"`);
  assertEquals([shown(null), shown([]), shown(new Map()), shown(() => {})], [
    "null",
    "an array",
    "an object (Map)",
    "a function",
  ]);
  assertEquals(shown(Object.create(null)), "an object (Object)");
});
