import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { UsageError } from "../../lib/cli/shared/flags.ts";
import { parseOption } from "../../lib/cli/shared/option_text.ts";
import { algorithmsOf, limitsOf, sshdOptions } from "../../lib/cli/serve/sshd_options.ts";
import { resolveSuite } from "../../lib/crypto/suite.ts";
import { parseOperand } from "../../lib/cli/shared/operands.ts";
import { parseDestination, parseHops, sshOptions } from "../../lib/cli/shared/ssh_options.ts";

/** The resulting settings, without those that depend on the machine. */
async function read(...texts: string[]): Promise<Record<string, unknown>> {
  const { HostName: _name, ofHop: _hop, ...options } = await sshOptions(texts.map(parseOption));
  return options;
}
const readServer = (...texts: string[]) => sshdOptions(texts.map(parseOption));

const values: [string, string, unknown][] = [
  ["Port=2222", "Port", 2222],
  ["port 2222", "Port", 2222],
  ["PORT = 2222", "Port", 2222],
  ["User=me", "User", "me"],
  ['User="me and you"', "User", "me and you"],
  ["forwardagent no", "ForwardAgent", false],
  ["BatchMode=yes", "BatchMode", true],
  ["BatchMode=NO", "BatchMode", false],
  ["ConnectTimeout=5", "ConnectTimeout", 5000],
  ["ConnectTimeout=1m30s", "ConnectTimeout", 90_000],
  ["ConnectTimeout=0", "ConnectTimeout", 0],
  ["ServerAliveInterval=2h", "ServerAliveInterval", 7_200_000],
  ["ServerAliveInterval=1w1d", "ServerAliveInterval", 691_200_000],
  ["StrictHostKeyChecking=accept-new", "StrictHostKeyChecking", "accept-new"],
  ["StrictHostKeyChecking=OFF", "StrictHostKeyChecking", "no"],
  ["UserKnownHostsFile=a b", "UserKnownHostsFile", ["a", "b"]],
  ['UserKnownHostsFile="a b" c', "UserKnownHostsFile", ["a b", "c"]],
  ['IdentityFile="/a b"', "IdentityFile", ["/a b"]],
  ["SendEnv=LANG LC_*", "SendEnv", ["LANG", "LC_*"]],
  ['SetEnv=A="x y" B=z', "SetEnv", ["A=x y", "B=z"]],
  ["PreferredAuthentications=password,publickey", "PreferredAuthentications", "password,publickey"],
  ["ProxyCommand=nc %h %p", "ProxyCommand", "nc localhost 22"],
  ["ProxyJump=a,b@c", "ProxyJump", [
    { hostname: "a", user: null, port: null },
    { hostname: "c", user: "b", port: null },
  ]],
  ["RekeyLimit=1M", "RekeyLimit", { bytes: 1048576 }],
  ["RekeyLimit=1G 1h", "RekeyLimit", { bytes: 1073741824, milliseconds: 3_600_000 }],
  ["RekeyLimit=512k", "RekeyLimit", { bytes: 524288 }],
  ["RekeyLimit=default none", "RekeyLimit", { bytes: 0 }],
  ["LogLevel=DEBUG3", "LogLevel", "trace"],
  ["LogLevel=fatal", "LogLevel", "error"],
  ["RequestTTY=force", "RequestTTY", "force"],
  ["Compression=yes", "Compression", true],
  ["Ciphers=aes128-ctr,aes256-ctr", "Ciphers", "aes128-ctr,aes256-ctr"],
];

for (const [text, name, value] of values) {
  Deno.test(`ssh accepts -o "${text}"`, async () => {
    assertEquals(await read(text), { [name]: value });
  });
}

const wrong: [string, string][] = [
  ["Nonsense=1", "command-line: line 0: Bad configuration option: nonsense"],
  ["Host=*", "not supported as a command-line option"],
  ["Port", 'no argument after keyword "port"'],
  ["Port=", 'no argument after keyword "port"'],
  ["=1", 'no argument after keyword "1"'],
  ["Port=0", "Bad port '0'."],
  ["Port=65536", "Bad port"],
  ["Port=22x", "Bad port"],
  ["BatchMode=maybe", 'unsupported option "maybe"'],
  ["ConnectTimeout=5y", "invalid time value"],
  ["ConnectTimeout=-5", "invalid time value"],
  ["RekeyLimit=1Z", "Bad number"],
  ["RekeyLimit=1M 1h 1", "extra arguments"],
  ["StrictHostKeyChecking=perhaps", 'unsupported option "perhaps"'],
  ["LogLevel=LOUD", "unsupported log level"],
];

for (const [text, message] of wrong) {
  Deno.test(`ssh refuses -o "${text}"`, async () => {
    await assertRejects(() => read(text), UsageError, message);
  });
}

Deno.test("The first value of an option wins, and lists accumulate", async () => {
  assertEquals(await read("Port=1", "Port=2", "IdentityFile=a", "IdentityFile=b", "SendEnv=X"), {
    Port: 1,
    IdentityFile: ["a", "b"],
    SendEnv: ["X"],
  });
});

const destinations: [string, string, string | null, number | null][] = [
  ["host", "host", null, null],
  ["me@host", "host", "me", null],
  ["me@there@host", "host", "me@there", null],
  ["::1", "::1", null, null],
  ["me@[fe80::1]", "fe80::1", "me", null],
  ["ssh://host", "host", null, null],
  ["ssh://me@host:2222", "host", "me", 2222],
  ["ssh://me@[::1]:2222/", "::1", "me", 2222],
  ["me%40work@host", "host", "me%40work", null],
  ["ssh://me%40work@host", "host", "me@work", null],
];

for (const [text, hostname, user, port] of destinations) {
  Deno.test(`The destination ${text} is parsed`, () => {
    assertEquals(parseDestination(text), { hostname, user, port });
  });
}

for (
  const text of [
    ...["", "@host", "me@", "-oProxyCommand=x", "a b", "ssh://host:0", "ssh://h:99999"],
    ...["ssh://%zz@host", "ssh://%00@host"],
  ]
) {
  Deno.test(`The destination "${text}" is refused`, () => {
    assertThrows(() => parseDestination(text), UsageError, "Cannot parse the destination");
  });
}

Deno.test("serve accepts the options of sshd_config", () => {
  const options = readServer(
    "LoginGraceTime=30",
    "MaxAuthTries 3",
    "MaxStartups=5:50:20",
    "MaxSessions=2",
    "ClientAliveInterval=1m",
    "ClientAliveCountMax=2",
    "Ciphers=aes128-ctr",
    "RekeyLimit=1M",
    "AcceptEnv=LANG X_*",
  );
  assertEquals(options.AcceptEnv, ["LANG", "X_*"]);
  assertEquals(algorithmsOf(options), { cipher: "aes128-ctr" });
  assertEquals(limitsOf(options), {
    loginGraceTime: 30_000,
    maxAuthTries: 3,
    maxStartups: { begin: 5, rate: 50, full: 20 },
    maxSessions: 2,
    keepaliveInterval: 60_000,
    keepaliveCount: 2,
    rekey: { bytes: 1048576 },
  });
});

Deno.test("serve accepts the time limits and penalties of sshd_config", () => {
  const options = readServer(
    "ChannelTimeout session=5m x11-connection=0",
    "UnusedConnectionTimeout=10",
    "TCPKeepAlive=no",
    "ClientAliveInterval=0",
    "PerSourcePenalties=no",
  );
  assertEquals(limitsOf(options), {
    penalties: false,
    keepaliveInterval: 0,
    unusedConnectionTimeout: 10_000,
    tcpKeepAlive: false,
    channelTimeouts: { session: 300_000, "x11-connection": 0 },
  });
  assertEquals(limitsOf(readServer()), {});
  assertEquals(limitsOf(readServer("PerSourcePenalties=yes")), { penalties: {} });
  assertEquals(readServer("PermitUserEnvironment=LANG,LC_*").PermitUserEnvironment, "LANG,LC_*");
});

Deno.test("MaxStartups may be a single number", () => {
  assertEquals(readServer("MaxStartups=7").MaxStartups, { begin: 7, rate: 100, full: 7 });
});

for (const value of ["0", "x", "10:30", "10:130:100", "10:30:5"]) {
  Deno.test(`serve refuses MaxStartups=${value}`, () => {
    assertThrows(() => readServer(`MaxStartups=${value}`), UsageError, "MaxStartups");
  });
}

Deno.test("serve refuses options that it does not have", () => {
  assertThrows(() => readServer("PermitTunnel=yes"), UsageError, "Bad configuration option");
});

Deno.test("a user in a URI is decoded in operands and jump hosts, too", () => {
  assertEquals(parseOperand("sftp://me%40work@host:24/a%20b", "sftp"), {
    target: { hostname: "host", user: "me@work", port: 24 },
    path: "a b",
  });
  assertThrows(() => parseOperand("scp://%zz@host/a", "scp"), UsageError, "Cannot parse");
  assertEquals(parseOperand("me%40work@host:a", "scp").target.user, "me%40work");
  assertEquals(parseHops("ssh://a%40b@c:24,a%40b@d"), [
    { hostname: "c", user: "a@b", port: 24 },
    { hostname: "d", user: "a%40b", port: null },
  ]);
});

Deno.test("The server's lists of algorithms accept wildcards, like the client's", () => {
  const options = readServer(
    "Ciphers=aes*-gcm@*",
    "MACs=-*sha1*",
    "KexAlgorithms=^*nistp384",
    "HostKeyAlgorithms=ssh-ed*,rsa-sha2-???",
    "PubkeyAcceptedAlgorithms=-*cert*",
  );
  const suite = resolveSuite(algorithmsOf(options));
  assertEquals(suite.cipher, ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"]);
  assertEquals(suite.mac, resolveSuite().mac);
  assertEquals(suite.kex[0], "ecdh-sha2-nistp384");
  const hostKeys = ["ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com"];
  assertEquals(suite.hostKey.toSorted(), ["rsa-sha2-256", "rsa-sha2-512", ...hostKeys]);
  assertEquals(suite.userKey.some((name) => name.includes("cert")), false);
  const unknown = () => resolveSuite(algorithmsOf(readServer("Ciphers=des*")));
  assertThrows(unknown, TypeError, 'Unknown cipher algorithm "des*"');
});
