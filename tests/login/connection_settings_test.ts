/** The connection option of each directive. */
import { assertEquals, assertThrows } from "@std/assert";
import { Config, type HostSettings } from "../../lib/config/mod.ts";
import { ConfigError } from "../../lib/errors.ts";
import {
  configuredAlgorithms,
  configuredConnection,
  configuredControlPath,
  configuredEnv,
  configuredRekey,
  configuredTcp,
  configuredWay,
} from "../../lib/login/settings.ts";
import { denoNet } from "../../lib/runtime/deno_net.ts";

const lookup = (text: string): Promise<HostSettings> => Config.parse(text).lookup("db1");

const connections: [string, unknown][] = [
  ["ServerAliveInterval 5", { keepaliveInterval: 5_000 }],
  ["ServerAliveInterval 0", { keepaliveInterval: 0 }],
  ["ServerAliveCountMax 7", { keepaliveCount: 7 }],
  ["BatchMode yes", { keepaliveInterval: 300_000 }],
  ["BatchMode yes\nServerAliveInterval 0", { keepaliveInterval: 0 }],
  ["BatchMode no", {}],
  ["HostKeyAlias other", { hostKeyAlias: "other" }],
  ["VersionAddendum words", { versionAddendum: "words" }],
  ["VersionAddendum none", {}],
  ["Ciphers aes256-ctr", { algorithms: { cipher: ["aes256-ctr"] } }],
  ["RekeyLimit 1M", { rekey: { bytes: 1024 * 1024 } }],
  ["TCPKeepAlive no", { tcp: { keepAlive: false } }],
  ["ChannelTimeout session=5 x11=1m", { channelTimeouts: { session: 5_000, x11: 60_000 } }],
  ["ChannelTimeout session=5 session=6", { channelTimeouts: { session: 5_000 } }],
  ["ChannelTimeout none", {}],
];
for (const [text, expected] of connections) {
  Deno.test(`A connection with ${JSON.stringify(text)} has the matching options`, async () => {
    assertEquals(configuredConnection(await lookup(text)) as unknown, expected);
  });
}

const algorithms: [string, unknown][] = [
  ["KexAlgorithms curve25519-sha256", { kex: ["curve25519-sha256"] }],
  ["HostKeyAlgorithms ssh-ed25519", { hostKey: ["ssh-ed25519"] }],
  ["PubkeyAcceptedAlgorithms ssh-ed25519", { userKey: ["ssh-ed25519"] }],
  ["MACs hmac-sha2-256", { mac: ["hmac-sha2-256"] }],
  ["Compression yes", { compression: "zlib@openssh.com,zlib,none" }],
  ["Compression no", undefined],
  ["", undefined],
];
for (const [text, expected] of algorithms) {
  Deno.test(`The algorithms of ${JSON.stringify(text)} are applied`, async () => {
    assertEquals(configuredAlgorithms(await lookup(text)) as unknown, expected);
  });
}

const rekeys: [string, unknown][] = [
  ["RekeyLimit 1K", { bytes: 1024 }],
  ["RekeyLimit 1K 5", { bytes: 1024, milliseconds: 5_000 }],
  ["RekeyLimit default none", {}],
  ["RekeyLimit default 0", { milliseconds: Infinity }],
  ["RekeyLimit default", {}],
  ["", undefined],
];
for (const [text, expected] of rekeys) {
  Deno.test(`Rekeying follows ${JSON.stringify(text)}`, async () => {
    assertEquals(configuredRekey(await lookup(text)) as unknown, expected);
  });
}

Deno.test("TCP connections follow the settings", async () => {
  const tcp = async (text: string) => configuredTcp(await lookup(text)) as unknown;
  assertEquals(await tcp(""), undefined);
  assertEquals(await tcp("AddressFamily inet6"), { family: "inet6" });
  assertEquals(await tcp("BindAddress 192.0.2.1"), { localAddress: "192.0.2.1" });
  assertEquals(await tcp("ConnectionAttempts 3"), { attempts: 3 });
  assertEquals(await tcp("TCPKeepAlive yes"), { keepAlive: true });
});

Deno.test("BindInterface selects an address of the interface in the configured family", async () => {
  const { networkInterfaces } = denoNet;
  denoNet.networkInterfaces = () => [
    { name: "lo", address: "127.0.0.1", family: "IPv4" },
    { name: "eth0", address: "2001:db8::1", family: "IPv6" },
    { name: "eth0", address: "192.0.2.1", family: "IPv4" },
  ];
  try {
    const local = async (text: string) => {
      const settings = await lookup(`BindInterface ${text}`);
      return configuredTcp(settings)?.localAddress;
    };
    assertEquals(await local("eth0"), "2001:db8::1");
    assertEquals(await local("eth0\nAddressFamily inet"), "192.0.2.1");
    assertEquals(await local("eth0\nAddressFamily inet6"), "2001:db8::1");
    assertEquals(await local("eth0\nBindAddress 192.0.2.9"), "192.0.2.9");
    for (const text of ["eth1", "lo\nAddressFamily inet6"]) {
      const settings = await lookup(`BindInterface ${text}`);
      assertThrows(() => configuredTcp(settings), ConfigError, "has no address of this family");
    }
  } finally {
    denoNet.networkInterfaces = networkInterfaces;
  }
});

Deno.test("A host is reached by a command, by jump hosts or directly", async () => {
  const way = async (text: string) => configuredWay(await lookup(text)) as unknown;
  assertEquals(await way(""), {});
  assertEquals(await way("ProxyCommand nc %h %p"), { proxyCommand: "nc db1 22" });
  assertEquals(await way("ProxyCommand none"), {});
  assertEquals(await way("ProxyJump none"), {});
  assertEquals(await way("ProxyJump ann@a:2222,b"), {
    jump: [{ hostname: "a", user: "ann", port: 2222 }, { hostname: "b" }],
  });
  assertEquals(configuredWay({ ProxyJump: [] }), {});
  assertEquals(await way("ProxyUseFdpass yes"), {});
  const fdpass = await lookup("ProxyUseFdpass yes\nProxyCommand nc");
  assertThrows(() => configuredWay(fdpass), ConfigError, "ProxyUseFdpass is not supported");
});

Deno.test("A connection is shared unless it becomes a master itself", () => {
  const ControlPath = "/run/control";
  for (const ControlMaster of ["no", "auto", "autoask"] as const) {
    assertEquals(configuredControlPath({ ControlPath, ControlMaster }), ControlPath);
  }
  for (const ControlMaster of ["yes", "ask"] as const) {
    assertEquals(configuredControlPath({ ControlPath, ControlMaster }), undefined);
  }
  assertEquals(configuredControlPath({ ControlPath }), ControlPath);
  assertEquals(configuredControlPath({ ControlPath: null }), undefined);
  assertEquals(configuredControlPath({}), undefined);
});

Deno.test("SetEnv overrides SendEnv, and its values may contain equals signs", () => {
  const environment = { LANG: "C", LC_ALL: "x", HOME: "/" };
  assertEquals(configuredEnv({ SendEnv: ["LC_*"], SetEnv: [] }, environment), { LC_ALL: "x" });
  const SetEnv = ["A=b=c", "LC_ALL=y", "=odd", "EMPTY="];
  assertEquals(configuredEnv({ SendEnv: ["LC_*"], SetEnv }, environment), {
    A: "b=c",
    LC_ALL: "y",
    EMPTY: "",
  });
  assertEquals(configuredEnv({}, environment), undefined);
  assertEquals(configuredEnv({ SendEnv: ["X"], SetEnv: [] }, environment), undefined);
});
