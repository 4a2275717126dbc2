import { assertEquals, assertRejects } from "@std/assert";
import { ConfigError } from "../../lib/errors.ts";
import { Config, type HostSettings, type LocalSide } from "../../lib/config/mod.ts";

/** A fake system with a few names in its DNS that records the commands it is asked to run. */
function side(names: Readonly<Record<string, string>> = {}): LocalSide & { ran: string[] } {
  const ran: string[] = [];
  return {
    ran,
    home: (user) => user === undefined ? "/home/ann" : user === "bob" ? "/home/bob" : undefined,
    user: () => "ann",
    uid: () => "1000",
    hostname: () => "desk.example.com",
    env: (name) => name === "KEYS" ? "/keys" : undefined,
    run: (command) => {
      ran.push(command);
      return Promise.resolve(command.startsWith("true"));
    },
    resolve: (name) => Promise.resolve(names[name] ?? null),
  };
}

function lookup(text: string, alias = "db1", local: LocalSide = side()): Promise<HostSettings> {
  return Config.parse(text).lookup(alias, { local });
}

Deno.test("A setting that is not configured is missing", async () => {
  assertEquals(await lookup("Host other\n  Port 1\n"), { HostName: "db1" });
});

Deno.test("File names are returned ready to be opened", async () => {
  const settings = await lookup(`
    IdentityFile ~/.ssh/%r_%n
    IdentityFile \${KEYS}/%h
    CertificateFile ~bob/cert
    UserKnownHostsFile ~/kh %d/%u
    GlobalKnownHostsFile ~/global
    RevokedHostKeys ~/revoked
    IdentityAgent /run/%i/agent
    User ops
  `);
  assertEquals(settings, {
    HostName: "db1",
    User: "ops",
    IdentityFile: ["/home/ann/.ssh/ops_db1", "/keys/db1"],
    CertificateFile: ["/home/bob/cert"],
    UserKnownHostsFile: ["/home/ann/kh", "/home/ann/ann"],
    GlobalKnownHostsFile: ["/home/ann/global"],
    RevokedHostKeys: ["/home/ann/revoked"],
    IdentityAgent: "/run/1000/agent",
  });
});

Deno.test("The value of a token is not expanded again", async () => {
  const settings = await lookup('User "%%h$${KEYS}"\nIdentityFile /keys/%r');
  assertEquals(settings.IdentityFile, ["/keys/%h$/keys"]);
});

Deno.test("Commands of ProxyCommand and hosts of ProxyJump have their tokens replaced", async () => {
  const { ProxyCommand } = await lookup(
    "ProxyCommand nc -x '%r@proxy' %h %p # %%\nPort 24\nUser x",
  );
  assertEquals(ProxyCommand, "nc -x 'x@proxy' db1 24 # %");
  const { ProxyJump } = await lookup("ProxyJump gate-%h,[::1]:24");
  assertEquals(ProxyJump, [
    { hostname: "gate-db1", user: null, port: null },
    { hostname: "::1", user: null, port: 24 },
  ]);
});

Deno.test("A user of a jump host's URI is decoded", async () => {
  const { ProxyJump } = await lookup("ProxyJump ssh://a%40b:1@c:24,a%40b@d");
  assertEquals(ProxyJump, [
    { hostname: "c", user: "a@b:1", port: 24 },
    { hostname: "d", user: "a%40b", port: null },
  ]);
  for (const jump of ["ssh://a%4@c", "ssh://%00@c", "ssh://%ff@c"]) {
    await assertRejects(() => lookup(`ProxyJump ${jump}`), ConfigError, "Invalid ProxyJump");
  }
});

Deno.test("A home folder alone ends with a slash, as in ssh", async () => {
  const { IdentityFile } = await lookup("IdentityFile ~\nIdentityFile ~bob\nIdentityFile ~//k\n");
  assertEquals(IdentityFile, ["/home/ann/", "/home/bob/", "/home/ann/k"]);
});

Deno.test("Arguments of KnownHostsCommand are expanded one by one, except the host key", async () => {
  const { KnownHostsCommand } = await lookup(
    'KnownHostsCommand /bin/%h "%u 100%%" %H a\\ b ${KEYS}/%k # %t ""',
    "we%ird",
  );
  assertEquals(KnownHostsCommand, '/bin/%h "ann 100%%" %H "a b" /keys/we%%ird "#" %t ""');
  const unset = lookup("KnownHostsCommand /bin/keys ${UNSET}");
  await assertRejects(() => unset, ConfigError, "UNSET");
});

Deno.test("Tunnels are grouped by kind", async () => {
  const settings = await lookup("DynamicForward 1080\nLocalForward 1 a:2\nRemoteForward 3");
  assertEquals(settings.DynamicForward, [{ from: { hostname: null, port: 1080 }, to: null }]);
  assertEquals(settings.LocalForward?.length, 1);
  assertEquals(settings.RemoteForward, [{ from: { hostname: null, port: 3 }, to: null }]);
});

Deno.test("Match exec runs a command with its tokens replaced, and only if the other criteria match", async () => {
  const local = side();
  const text = `
    Match host other exec "true never"
      Port 1
    Match host db* exec "true %h %p %r"
      Port 2
    Match exec "false"
      Port 3
  `;
  assertEquals((await lookup(text, "db1", local)).Port, 2);
  assertEquals(local.ran, ["true db1 22 ann", "false"]);
});

Deno.test("Match exec is not run in a file included by a block that does not match", async () => {
  const local = side();
  const source = {
    find: () => Promise.resolve(["inner"]),
    read: () => Promise.resolve('Match exec "true"\n  Port 5\n'),
  };
  const text = "Host other\n  Include inner\n";
  const config = await Config.load([{ name: "outer", text, source }]);
  assertEquals(await config.lookup("db1", { local }), { HostName: "db1" });
  assertEquals(local.ran, []);
});

Deno.test("A name is completed with the first canonical domain that knows it", async () => {
  const text = `
    CanonicalizeHostname yes
    CanonicalDomains a.example b.example
    Match canonical host *.b.example
      Port 2222
  `;
  const local = side({ "db1.b.example.": "db1.b.example." });
  const { HostName, Port } = await lookup(text, "db1", local);
  assertEquals([HostName, Port], ["db1.b.example", 2222]);
  assertEquals((await lookup(text, "db2", local)).HostName, "db2");
});

Deno.test("An alias in the DNS is followed where the rules permit it", async () => {
  const text = `
    CanonicalizeHostname yes
    CanonicalDomains a.example
    CanonicalizePermittedCNAMEs *.a.example:*.b.example
  `;
  const to = (target: string) => side({ "db1.a.example.": target });
  assertEquals((await lookup(text, "db1", to("real.b.example."))).HostName, "real.b.example");
  assertEquals((await lookup(text, "db1", to("rEAl.B.eXample."))).HostName, "real.b.example");
  assertEquals((await lookup(text, "db1", to("real.c.example."))).HostName, "db1.a.example");
});

Deno.test("A proxied host is completed only with CanonicalizeHostname always", async () => {
  const local = side({ "db1.a.example.": "db1.a.example." });
  const text = (when: string) =>
    `CanonicalizeHostname ${when}\nCanonicalDomains a.example\nProxyJump gate`;
  assertEquals((await lookup(text("yes"), "db1", local)).HostName, "db1");
  assertEquals((await lookup(text("always"), "db1", local)).HostName, "db1.a.example");
});

Deno.test("All mistakes of a file are reported, each with its place", async () => {
  const error = await assertRejects(
    () => lookup("Prot 22\nPort x\n# fine\nUser\nMatch nothing\n"),
    ConfigError,
  );
  assertEquals(
    error.problems,
    [
      "config: line 1: Bad configuration option: prot",
      "config line 2: Bad port 'x'.",
      'config line 4: no argument after keyword "user"',
      "config line 5: Missing Match criteria for nothing: Bad Match condition",
    ],
  );
});

for (const alias of ["", "-oProxyCommand=x", "a b", "a;b", "$(x)", "a\nb", "`x`", "a|b"]) {
  Deno.test(`A host cannot be called ${JSON.stringify(alias)}`, async () => {
    await assertRejects(() => lookup("Port 22", alias), ConfigError, "invalid characters");
  });
}

for (const user of ["", "-l", "a;b", "$(x)", "a\nb", "a -o", "a\\"]) {
  Deno.test(`A user cannot be called ${JSON.stringify(user)}`, async () => {
    const config = Config.parse("Port 22");
    await assertRejects(() => config.lookup("db1", { user, local: side() }), ConfigError);
  });
}

for (
  const [text, message] of [
    ["IdentityFile %z", "no token %z"],
    ["IdentityFile x%", "without a letter"],
    ["IdentityFile ${NOPE}", "variable NOPE is not set"],
    ["IdentityFile ${", "is not set"],
    ["IdentityFile ~nobody/x", "no such user"],
    ["Include x", "Include needs files"],
    ["ConnectionAttempts 0", "ConnectionAttempts"],
    ["ProxyJump db1", "jumphost loop"],
    ['ConnectTimeout ""', "missing time value"],
    ["VersionAddendum a\rb", "Invalid versionaddendum argument"],
  ] as const
) {
  Deno.test(`A look-up refuses "${text}"`, async () => {
    await assertRejects(() => lookup(text), ConfigError, message);
  });
}

for (const [keyword, what] of [["IdentityFile", "identity"], ["CertificateFile", "certificate"]]) {
  Deno.test(`A host has 100 files of ${keyword} at most`, async () => {
    const lines = (count: number) =>
      Array.from({ length: count }, (_, at) => `${keyword} /key${at}\n`).join("");
    const settings = await lookup(lines(100));
    assertEquals(settings[keyword as "IdentityFile"]?.length, 100);
    const error = await assertRejects(() => lookup(lines(101)), ConfigError);
    assertEquals(error.problems, [
      `config line 101: Too many ${what} files specified (max 100).`,
    ]);
  });
}

Deno.test("Control characters of a file do not get into messages", async () => {
  const error = await assertRejects(() => lookup("Po\x1b[31mrt 22\nPort \x07"), ConfigError);
  assertEquals(error.message.includes("\x1b") || error.message.includes("\x07"), false);
});

const EVIL = ["$(touch x)", "a`b`", "a;b", "a|b", "a&b", "-oProxyCommand=x", "a -b", "a\nb", "a\\"];

Deno.test("a user name with shell syntax is refused from every source", async () => {
  const config = Config.parse("Host db1\n  ProxyCommand nc %r");
  for (const name of EVIL) {
    const ways: Parameters<Config["lookup"]>[1][] = [
      { user: name },
      { options: [`User="${name.replaceAll("\\", "\\\\")}"`] },
      { local: { ...side(), user: () => name } },
    ];
    for (const way of ways) {
      const looked = config.lookup("db1", { local: side(), ...way });
      await assertRejects(() => looked, ConfigError, "", JSON.stringify(way));
    }
  }
  const settings = await config.lookup("db1", { local: side(), user: "DOMAIN\\ann smith" });
  assertEquals(settings.ProxyCommand, "nc DOMAIN\\ann smith");
});

for (
  const [what, text] of [
    ["ProxyCommand %r", 'User "$(touch x)"\nProxyCommand nc %r'],
    ["ProxyCommand %k", "HostKeyAlias a;b\nProxyCommand nc %k"],
    ["ProxyCommand %h", 'HostName "a;b"\nProxyCommand nc %h'],
    ["LocalCommand %r", 'User "$(touch x)"\nLocalCommand echo %r'],
    ["Match exec %r", 'User "$(touch x)"\nMatch exec "true %r"\n  Port 1'],
    ["Match exec %k", 'HostKeyAlias a;b\nMatch exec "true %k"\n  Port 1'],
  ] as const
) {
  Deno.test(`a file name with shell syntax does not reach ${what}`, async () => {
    const local = side();
    await assertRejects(() => lookup(text, "db1", local), ConfigError, "invalid characters");
    assertEquals(local.ran, []);
  });
}

Deno.test("such a user name from a file is accepted if no shell gets it", async () => {
  assertEquals((await lookup('User "$(touch x)"')).User, "$(touch x)");
});

Deno.test("the hosts of a configuration are the words of Host lines without wildcards", async () => {
  const files: Record<string, string> = { more: "Host db1\nMatch host web9\n  Port 1\n" };
  const found: string[] = [];
  const source = {
    find: (argument: string) => {
      found.push(argument);
      return Promise.resolve([argument]);
    },
    read: (path: string) => Promise.resolve(files[path] ?? null),
  };
  const text = `
Host web1 "web 2" web*  !web3 WEB1
  HostName 10.0.0.1
Include more
Include of-%h
hOST=db1
Host # nothing
`;
  const config = await Config.load([{ name: "main", text, source }]);
  assertEquals(await config.hosts(), ["web1", "web 2", "WEB1", "db1"]);
  assertEquals(await config.hosts("WEB?,!web2"), ["web1", "WEB1"]);
  assertEquals(found, ["more"]);
});
