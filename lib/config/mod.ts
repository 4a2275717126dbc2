/**
 * The client's configuration files, as ssh_config(5) describes them: what they say about a host, with
 * Include, Host, Match, tokens and variables as OpenSSH has them.
 *
 * ```ts
 * import { readConfig } from "@denossh/ssh/config";
 *
 * const config = await readConfig(); // ~/.ssh/config and /etc/ssh/ssh_config
 * const { HostName, User, IdentityFile } = await config.lookup("db1");
 * ```
 *
 * `connect()` does that by itself; this is for programs that want to know.
 *
 * All directives up to OpenSSH 10.5 are read and checked, and so are those of GSSAPI without a look at
 * their values. An unknown directive is refused with its line, unless IgnoreUnknown names it. These are
 * read and not acted on: CheckHostIP, EnableEscapeCommandline,
 * EnableSSHKeysign, HostbasedAcceptedAlgorithms, HostbasedAuthentication, IPQoS, KbdInteractiveDevices,
 * LogVerbose, ObscureKeystrokeTiming, SecurityKeyProvider, SyslogFacility,
 * TunnelDevice and XAuthLocation; the tools say so for Tunnel, PKCS11Provider and VerifyHostKeyDNS.
 * WarnWeakCrypto makes the tools warn if it is `yes`; without it they do not.
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
