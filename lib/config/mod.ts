/**
 * The client's configuration files (ssh_config(5)): looks up the settings of a host, with Include,
 * Host, Match, tokens and variables as in OpenSSH.
 *
 * ```ts
 * import { Config } from "@denossh/ssh/config";
 * import { assertEquals } from "@std/assert";
 *
 * const config = Config.parse(
 *   "Host db*\n  HostName %h.example.com\n  Port 2222",
 * );
 * assertEquals(await config.lookup("db1"), {
 *   HostName: "db1.example.com",
 *   Port: 2222,
 * });
 * ```
 *
 * - {@linkcode readConfig} reads `~/.ssh/config` and `/etc/ssh/ssh_config`, or other files.
 * - {@linkcode Config} looks up a host, and lists the names of `Host` lines.
 * - {@linkcode HostSettings} is the result of a look-up.
 *
 * `connect()` reads the files by itself; use this in programs that need the settings.
 *
 * All directives up to OpenSSH 10.5 are read and checked. An unknown directive is an error that names its
 * line, unless IgnoreUnknown lists it. The directives of GSSAPI are accepted, and their values ignored.
 * These are parsed and have no effect: CheckHostIP, EnableEscapeCommandline, EnableSSHKeysign,
 * HostbasedAcceptedAlgorithms, HostbasedAuthentication, IPQoS, KbdInteractiveDevices, LogVerbose,
 * ObscureKeystrokeTiming, SecurityKeyProvider, SyslogFacility, TunnelDevice and XAuthLocation; also Tunnel,
 * PKCS11Provider and VerifyHostKeyDNS, of which the tools warn. The tools warn of weak cryptography if
 * WarnWeakCrypto is `yes`.
 *
 * @module
 */
export { Config } from "./config.ts";
export type { ConfigRoot, ConfigSource } from "./config_file.ts";
export type { ForwardEnd, ForwardKind, ForwardSetting } from "./forwards.ts";
export type { LocalSide } from "./local_side.ts";
export type { LookupOptions } from "./lookup.ts";
export type { JumpHost } from "./proxy_jump.ts";
export { readConfig } from "./read.ts";
export type { AddKeysSetting, HostSettings, LogLevelSetting, RekeySetting } from "./settings.ts";
