import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UsageError } from "../../lib/cli/flags.ts";
import { parseOption } from "../../lib/cli/option_values.ts";
import { limitsOf, sshdOptions } from "../../lib/cli/serve_options.ts";
import { parseDestination, sshOptions } from "../../lib/cli/ssh_options.ts";

const read = (...texts: string[]) => sshOptions(texts.map(parseOption));
const readServer = (...texts: string[]) => sshdOptions(texts.map(parseOption));

const values: [string, string, unknown][] = [
  ["Port=2222", "Port", 2222],
  ["port 2222", "Port", 2222],
  ["PORT = 2222", "Port", 2222],
  ["User=me", "User", "me"],
  ['User="me and you"', "User", "me and you"],
  ["forwardagent no", "ForwardAgent", "no"],
  ["BatchMode=yes", "BatchMode", true],
  ["BatchMode=NO", "BatchMode", false],
  ["ConnectTimeout=5", "ConnectTimeout", 5000],
  ["ConnectTimeout=1m30s", "ConnectTimeout", 90_000],
  ["ConnectTimeout=none", "ConnectTimeout", 0],
  ["ServerAliveInterval=2h", "ServerAliveInterval", 7_200_000],
  ["ServerAliveInterval=1w1d", "ServerAliveInterval", 691_200_000],
  ["StrictHostKeyChecking=accept-new", "StrictHostKeyChecking", "accept-new"],
  ["StrictHostKeyChecking=OFF", "StrictHostKeyChecking", "off"],
  ["UserKnownHostsFile=a b", "UserKnownHostsFile", ["a", "b"]],
  ['UserKnownHostsFile="a b" c', "UserKnownHostsFile", ["a b", "c"]],
  ["IdentityFile=/a b", "IdentityFile", ["/a b"]],
  ["SendEnv=LANG LC_*", "SendEnv", ["LANG", "LC_*"]],
  ['SetEnv=A="x y" B=z', "SetEnv", ["A=x y", "B=z"]],
  ["PreferredAuthentications=password, publickey", "PreferredAuthentications", [
    "password",
    "publickey",
  ]],
  ["RekeyLimit=1M", "RekeyLimit", { bytes: 1048576 }],
  ["RekeyLimit=1G 1h", "RekeyLimit", { bytes: 1073741824, milliseconds: 3_600_000 }],
  ["RekeyLimit=512k", "RekeyLimit", { bytes: 524288 }],
  ["RekeyLimit=default none", "RekeyLimit", { milliseconds: Infinity }],
  ["LogLevel=DEBUG3", "LogLevel", "verbose"],
  ["LogLevel=fatal", "LogLevel", "error"],
  ["RequestTTY=force", "RequestTTY", "force"],
  ["Ciphers=aes128-ctr,aes256-ctr", "Ciphers", "aes128-ctr,aes256-ctr"],
];

for (const [text, name, value] of values) {
  Deno.test(`ssh takes -o "${text}"`, () => {
    assertEquals(read(text) as Record<string, unknown>, { [name]: value });
  });
}

const harmless = [
  "ClearAllForwardings=yes",
  "PermitLocalCommand=no",
  "RemoteCommand=none",
  "ControlMaster=auto",
  "GSSAPIAuthentication=yes",
  "ProxyCommand=none",
];

for (const text of harmless) {
  Deno.test(`ssh ignores -o ${text}`, () => assertEquals(read(text), {}));
}

const wrong: [string, string][] = [
  ["Nonsense=1", "command-line: Bad configuration option: Nonsense"],
  ["ProxyCommand=nc %h %p", 'Unsupported option "ProxyCommand=nc %h %p"'],
  ["Port", "missing argument"],
  ["Port=", 'missing argument for "Port"'],
  ["=1", "missing argument"],
  ["Port=0", 'Port: unsupported value "0"'],
  ["Port=65536", "Port: unsupported value"],
  ["Port=22x", "Port: unsupported value"],
  ["BatchMode=maybe", "BatchMode: unsupported value"],
  ["ConnectTimeout=5y", "ConnectTimeout: unsupported value"],
  ["ConnectTimeout=-5", "ConnectTimeout: unsupported value"],
  ["RekeyLimit=1T", "RekeyLimit: unsupported value"],
  ["RekeyLimit=1M 1h 1", "RekeyLimit: unsupported value"],
  ["StrictHostKeyChecking=perhaps", "StrictHostKeyChecking: unsupported value"],
  ["LogLevel=LOUD", "LogLevel: unsupported value"],
];

for (const [text, message] of wrong) {
  Deno.test(`ssh refuses -o "${text}"`, () => {
    const error = assertThrows(() => read(text), UsageError);
    assertStringIncludes(error.message, message);
  });
}

Deno.test("The first value of an option counts, and lists add up", () => {
  assertEquals(read("Port=1", "Port=2", "IdentityFile=a", "IdentityFile=b", "SendEnv=X"), {
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
];

for (const [text, hostname, user, port] of destinations) {
  Deno.test(`The destination ${text} is understood`, () => {
    assertEquals(parseDestination(text), { hostname, user, port });
  });
}

for (
  const text of ["", "@host", "me@", "-oProxyCommand=x", "a b", "ssh://host:0", "ssh://h:99999"]
) {
  Deno.test(`The destination "${text}" is refused`, () => {
    assertThrows(() => parseDestination(text), UsageError, "Cannot parse the destination");
  });
}

Deno.test("serve takes the options of sshd_config", () => {
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
  assertEquals(limitsOf(options), {
    algorithms: { cipher: "aes128-ctr" },
    loginGraceTime: 30_000,
    maxAuthTries: 3,
    maxStartups: { begin: 5, rate: 50, full: 20 },
    maxSessions: 2,
    keepaliveInterval: 60_000,
    keepaliveCount: 2,
    rekey: { bytes: 1048576 },
  });
});

Deno.test("MaxStartups may be one number", () => {
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
