/** The additions of OpenSSH 9.3 to 10.5 to ssh_config(5). */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConfigError } from "../../lib/errors.ts";
import { Config, type LocalSide, type LookupOptions } from "../../lib/config/mod.ts";

const local: LocalSide = {
  home: () => "/home/ann",
  user: () => "ann",
  uid: () => "1000",
  hostname: () => "desk.example.com",
  env: (name) => name === "TEAM" ? "blue" : undefined,
  run: () => Promise.resolve(true),
  addresses: () => ["127.0.0.1", "192.0.2.77", "::1", "fe80::1%eth0", "2001:db8:1::5"],
  resolve: () => Promise.resolve(null),
};

/** The lines of `-G` for the keywords in the text. */
async function shown(text: string): Promise<string[]> {
  const keywords = [...text.matchAll(/^\s*(\w+)/gm)].map(([, word]) => word!.toLowerCase());
  const lines = (await Config.parse(text).show("db1", { local, user: "ops" })).split("\n");
  return lines.filter((line) => keywords.includes(line.split(" ")[0]!));
}

Deno.test("recent directives are shown as OpenSSH 10.5 shows them", async () => {
  const cases: [text: string, lines: string[]][] = [
    ["ObscureKeystrokeTiming yes", ["obscurekeystroketiming yes"]],
    ["ObscureKeystrokeTiming interval:20", ["obscurekeystroketiming yes"]],
    ["ObscureKeystrokeTiming no", ["obscurekeystroketiming no"]],
    ["ObscureKeystrokeTiming interval:80", ["obscurekeystroketiming 80"]],
    ["ChannelTimeout session=5m *=0", ["channeltimeout session=5m *=0"]],
    ["ChannelTimeout none\nChannelTimeout session=5m", ["channeltimeout none"]],
    ["ConnectTimeout 1.5", ["connecttimeout 1"]],
    ["ServerAliveInterval 1m.5s", ["serveraliveinterval 60"]],
    ["WarnWeakCrypto no-pq-kex", ["warnweakcrypto no"]],
    ["WarnWeakCrypto true", ["warnweakcrypto yes"]],
    ["VersionAddendum none", ["versionaddendum "]],
    ["VersionAddendum  from %l # ${TEAM}", ["versionaddendum from desk.example.com # blue"]],
    ["RevokedHostKeys none", ["revokedhostkeys none"]],
    ["RevokedHostKeys ~/r /${TEAM}/%h", ["revokedhostkeys /home/ann/r /blue/db1"]],
    ["Tag office", ["tag office"]],
    ["IPQoS va", ["ipqos va va"]],
    ["IPQoS lowdelay throughput", ["ipqos none none"]],
    ["SetEnv A=%r B=${TEAM}%% C=", ["setenv A=ops", "setenv B=blue%", "setenv C="]],
    ["EnableEscapeCommandline yes", ["enableescapecommandline yes"]],
    ["KexAlgorithms mlkem768x25519-sha256", ["kexalgorithms mlkem768x25519-sha256"]],
    [
      "CASignatureAlgorithms ssh-mldsa44-ed25519@openssh.com",
      ["casignaturealgorithms ssh-mldsa44-ed25519@openssh.com"],
    ],
  ];
  for (const [text, lines] of cases) assertEquals(await shown(text), lines, text);
});

Deno.test("recent directives with invalid values are refused with their line", async () => {
  const cases = [
    "ObscureKeystrokeTiming",
    "ObscureKeystrokeTiming interval:0",
    "ObscureKeystrokeTiming interval:1001",
    "ObscureKeystrokeTiming fast",
    "ObscureKeystrokeTiming yes yes",
    "ChannelTimeout session",
    "ChannelTimeout =5m",
    "ChannelTimeout session=5m none",
    "ChannelTimeout session=soon",
    "ConnectTimeout 0.5m",
    "ConnectTimeout 1.",
    "WarnWeakCrypto maybe",
    "RefuseConnection",
    "RevokedHostKeys none /etc/revoked",
    "SetEnv %q=1 A=%q",
    "Match localnetwork 10.0.0.1/8",
    "Match localnetwork 10.0.0.0/33",
    "Match localnetwork desk",
    "Match version",
    "Match sessiontype",
    "Match labelled x",
    "Telepathy yes",
  ];
  for (const text of cases) {
    await assertRejects(() => Config.parse(text).lookup("db1", { local }), ConfigError, "", text);
  }
  const unknown = Config.parse("Port 22\nTelepathy yes\n").lookup("db1", { local });
  await assertRejects(() => unknown, ConfigError, "line 2: Bad configuration option: telepathy");
  const ignored = Config.parse("IgnoreUnknown tele*\nTelepathy yes\n");
  assertEquals((await ignored.lookup("db1", { local })).IgnoreUnknown, "tele*");
});

Deno.test("RefuseConnection ends the look-up with its reason if its block matches", async () => {
  const config = Config.parse(
    'Match user root\n  RefuseConnection "use a name \\"of yours\\""\nHost *\n  Port 24\n',
    "/x/config",
  );
  await assertRejects(
    () => config.lookup("db1", { local, user: "root" }),
    ConfigError,
    '/x/config line 2: RefuseConnection: use a name "of yours"',
  );
  assertEquals((await config.lookup("db1", { local, user: "ann" })).Port, 24);
});

Deno.test("Match tests networks, versions, sessions, commands and tags", async () => {
  const cases: [criteria: string, holds: boolean, options?: LookupOptions][] = [
    ["localnetwork 192.0.2.0/24", true],
    ["localnetwork=203.0.113.0/24,192.0.2.64/26", true],
    ["localnetwork 192.0.2.128/25", false],
    ["!localnetwork 192.0.2.128/25", true],
    ["localnetwork 2001:db8::/32", true],
    ["localnetwork 2001:db8:2::/48", false],
    ["localnetwork fe80::/10", true],
    ["localnetwork ::1", true],
    ["version OpenSSH_10.*", true],
    ["version OpenSSH_9.*", false],
    ["sessiontype shell", true],
    ["sessiontype exec", false],
    ["sessiontype exec", true, { command: "uptime" }],
    ["sessiontype subsystem,none", true, { options: ["SessionType=subsystem"], command: "sftp" }],
    ["sessiontype none", true, { options: ["SessionType=none"] }],
    ['command ""', true],
    ["command *", false],
    ["command rsync*,sftp", true, { command: "rsync --server" }],
    ['command ""', false, { command: "rsync --server" }],
    ['tagged ""', true],
    ["tagged 'a b',c", false],
    ["tagged c", true, { options: ["Tag=c"] }],
    ["host=db* user=ops", true, { user: "ops" }],
    ["host=db* user ann", false, { user: "ops" }],
  ];
  for (const [criteria, holds, options] of cases) {
    const { Port } = await Config.parse(`Match ${criteria}\n  Port 99\n`)
      .lookup("db1", { local, ...options });
    assertEquals(Port === 99, holds, criteria);
  }
});

Deno.test("Match localnetwork reads the addresses only if they can change the result", async () => {
  let asked = 0;
  const counting = { ...local, addresses: () => (asked++, ["192.0.2.1"]) };
  const text = "Match host other localnetwork 192.0.2.0/24\n  Port 1\n";
  await Config.parse(text).lookup("db1", { local: counting });
  assertEquals(asked, 0);
  await Config.parse(text).lookup("other", { local: counting });
  assertEquals(asked, 1);
});

Deno.test("Match with a negated final causes no second pass", async () => {
  const { Port } = await Config.parse("Match !final\n  HostName db2\nHost db2\n  Port 9\n")
    .lookup("db1", { local });
  assertEquals(Port, undefined);
});

Deno.test("User is expanded in files, but not on the command line", async () => {
  const config = Config.parse("User ${TEAM}-%n-%p-%u\nIdentityFile /k/%r\n");
  const { User, IdentityFile } = await config.lookup("db1", { local });
  assertEquals([User, IdentityFile], ["blue-db1-22-ann", ["/k/blue-db1-22-ann"]]);
  assertEquals((await config.lookup("db1", { local, user: "a%h" })).User, "a%h");
  const option = await config.lookup("db1", { local, user: "late", options: ["User=o-%h"] });
  assertEquals(option.User, "o-db1");
  for (const text of ["User %r", "User %C", "User ${MISSING}"]) {
    await assertRejects(() => Config.parse(text).lookup("db1", { local }), ConfigError, "expand");
  }
});

Deno.test("%j is the jump host, and is part of %C", async () => {
  const { ControlPath } = await Config.parse("ProxyJump a@b,c@d:9\nControlPath /s/%j").lookup(
    "db1",
    { local },
  );
  assertEquals(ControlPath, "/s/d");
  const hash = async (text: string) =>
    (await Config.parse(`${text}\nControlPath %C`).lookup("db1", { local })).ControlPath;
  assert(await hash("ProxyJump d") !== await hash(""));
  assertEquals(await hash("ProxyJump none"), await hash(""));
});

Deno.test("Include expands tokens and variables for each host", async () => {
  const files: Record<string, string> = {
    "conf/db1": "Port 1001\n",
    "conf/db2": "Port 1002\n",
    "blue/ann": "BatchMode yes\n",
    loop: "Include loop%%\n",
    "loop%": "Include l%%x ${TEAM}/%u loop%%\n",
  };
  const found: string[] = [];
  const source = {
    find: (path: string) => (found.push(path), Promise.resolve([path])),
    read: (path: string) => Promise.resolve(files[path] ?? null),
  };
  const notes: string[] = [];
  const text = "Include conf/%h ${MISSING}/x\nInclude ${TEAM}/%u\n";
  const config = await Config.load([{ name: "main", text, source }]);
  assertEquals(found, []);
  for (const [alias, port] of [["db1", 1001], ["db2", 1002]] as const) {
    const { Port, BatchMode } = await config.lookup(alias, {
      local,
      onNote: (note) => notes.push(note),
    });
    assertEquals([Port, BatchMode], [port, true]);
  }
  assertEquals(notes, Array(2).fill('main line 1: Cannot expand "${MISSING}/x"'));

  const looping = await Config.load([{ name: "main", text: "Include loop", source }]);
  await assertRejects(() => looping.lookup("db1", { local }), ConfigError, "Too many recursive");
  const wrong = await Config.load([{ name: "main", text: "Include %q", source }]);
  await assertRejects(() => wrong.lookup("db1", { local }), ConfigError, "%q");
});
