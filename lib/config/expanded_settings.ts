import { ConfigError, printable } from "../errors.ts";
import type { RawSettings } from "./directives.ts";
import type { ForwardEnd, ForwardSetting } from "./forwards.ts";
import type { LocalSide } from "./local_side.ts";
import type { Found } from "./lookup.ts";
import { shellTokens } from "./shell_safe.ts";
import type { HostSettings } from "./settings.ts";
import { expandAll, expandArguments, expandSome, expandTokens, type Tokens } from "./tokens.ts";

/** Settings as `ssh -G` prints them, with completed file names. */
export function shownSettings({ settings, tokens }: Found, local: LocalSide): RawSettings {
  const path = (text: string) => expandPath(text, tokens, local);
  // As in ssh, a tilde is not expanded here.
  const expand = (text: string) => expandAll(text, tokens, (name) => local.env(name));
  const forwards = (list: readonly ForwardSetting[] | undefined) =>
    list?.map(({ from, to }) => ({ from: endOf(from, expand), to: to && endOf(to, expand) }));
  const {
    ControlPath,
    ControlPersist,
    IdentityAgent,
    ForwardAgent,
    RemoteCommand,
    VersionAddendum,
  } = settings;
  const cleared = settings.ClearAllForwardings === true;
  // Prompts cannot be answered for a command, or for a connection that outlives its terminal.
  const noAsking = settings.UpdateHostKeys === "ask" &&
    (RemoteCommand || ControlPath && ControlPersist);
  return withoutUndefined({
    ...settings,
    ControlPath: ControlPath && path(ControlPath),
    IdentityAgent: IdentityAgent && path(IdentityAgent),
    ForwardAgent: typeof ForwardAgent === "string" ? path(ForwardAgent) : ForwardAgent,
    RemoteCommand: RemoteCommand && expandTokens(RemoteCommand, tokens),
    UserKnownHostsFile: settings.UserKnownHostsFile?.map(path),
    RevokedHostKeys: settings.RevokedHostKeys?.map(path),
    SetEnv: settings.SetEnv?.map((pair) => {
      const value = pair.indexOf("=") + 1;
      return pair.slice(0, value) + expand(pair.slice(value));
    }),
    VersionAddendum: VersionAddendum && expand(VersionAddendum),
    ProxyUseFdpass: settings.ProxyJump?.hosts.length ? undefined : settings.ProxyUseFdpass,
    UpdateHostKeys: noAsking ? "no" : settings.UpdateHostKeys,
    Tunnel: cleared && settings.Tunnel !== undefined ? "no" : settings.Tunnel,
    LocalForward: cleared ? undefined : forwards(settings.LocalForward),
    RemoteForward: cleared ? undefined : forwards(settings.RemoteForward),
  });
}

/** {@linkcode shownSettings}, with the defaults that depend on other settings. */
export function completeSettings(found: Found, local: LocalSide): RawSettings {
  const { settings, tokens, hostname } = found;
  return {
    UserKnownHostsFile: ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"]
      .map((file) => expandPath(file, tokens, local)),
    UpdateHostKeys: usualUpdates(settings),
    User: local.user(),
    ...shownSettings(found, local),
    HostName: hostname,
  };
}

/** The default of UpdateHostKeys: no if the user chose the files, or uses the DNS. */
function usualUpdates(settings: RawSettings): "yes" | "no" {
  const { VerifyHostKeyDNS = "no", UserKnownHostsFile: files } = settings;
  const usual = files === undefined || (files.length === 1 && files[0] === "~/.ssh/known_hosts");
  return VerifyHostKeyDNS === "no" && usual ? "yes" : "no";
}

/** Settings ready for use, under the names of {@linkcode HostSettings}. */
export function readySettings(found: Found, local: LocalSide): HostSettings {
  const { hostname, settings, tokens } = found;
  const { h, k, n, p, r } = tokens;
  const path = (text: string) => expandPath(text, tokens, local);
  const home = (text: string) => expandHome(text, local);
  const { ProxyCommand, ProxyJump } = settings;
  const { LocalCommand, KnownHostsCommand } = settings;
  const shown = shownSettings(found, local);
  const forwards = (socks: boolean) => {
    const list = shown.LocalForward?.filter(({ to }) => (to === null) === socks);
    return list?.length ? list : undefined;
  };
  return withoutUndefined({
    ...shown,
    DynamicForward: forwards(true),
    LocalForward: forwards(false),
    HostName: hostname,
    HostKeyAlias: settings.HostKeyAlias?.toLowerCase(),
    GlobalKnownHostsFile: settings.GlobalKnownHostsFile?.map(home),
    IdentityFile: settings.IdentityFile?.map(path),
    CertificateFile: settings.CertificateFile?.map(path),
    RevokedHostKeys: shown.RevokedHostKeys?.filter((file) => file.toLowerCase() !== "none"),
    LocalCommand: LocalCommand && expandSome(LocalCommand, shellTokens(tokens)),
    KnownHostsCommand: KnownHostsCommand &&
      expandArguments(KnownHostsCommand, tokens, (name) => local.env(name)),
    ProxyCommand: ProxyCommand && expandTokens(ProxyCommand, shellTokens({ h, k, n, p, r })),
    ProxyJump: ProxyJump?.hosts.map((host) => ({
      ...host,
      hostname: expandTokens(host.hostname, { h, n, p, r }),
    })),
  });
}

/** A path with `~`, variables and tokens replaced. */
function expandPath(text: string, tokens: Tokens, local: LocalSide): string {
  return expandAll(expandHome(text, local), tokens, (name) => local.env(name));
}

function expandHome(path: string, local: LocalSide): string {
  const tilde = /^~([^/]*)/.exec(path);
  if (!tilde) return path;
  const home = local.home(tilde[1] || undefined);
  if (home === undefined) {
    const whose = tilde[1] === "" ? "the home directory is not known" : "there is no such user";
    throw new ConfigError([`Cannot expand "${printable(path)}": ${whose}`]);
  }
  // As in ssh, `~` alone ends with a slash, and slashes after it are one.
  return `${home.replace(/\/$/, "")}/${path.slice(tilde[0].length).replace(/^\/+/, "")}`;
}

function endOf(end: ForwardEnd, expand: (path: string) => string): ForwardEnd {
  return "path" in end ? { path: expand(end.path) } : end;
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

function withoutUndefined<T extends object>(record: T): Defined<T> {
  const entries = Object.entries(record).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Defined<T>;
}
