/** Keywords without settings: aliases, options that OpenSSH dropped, and GSSAPI. */
import type { RawSettings } from "./directives.ts";

/** Aliases of directives, including Debian's, in lower case. */
export const ALIASES: Readonly<Record<string, keyof RawSettings>> = {
  challengeresponseauthentication: "KbdInteractiveAuthentication",
  dsaauthentication: "PubkeyAuthentication",
  hostbasedkeytypes: "HostbasedAcceptedAlgorithms",
  identityfile2: "IdentityFile",
  keepalive: "TCPKeepAlive",
  protocolkeepalives: "ServerAliveInterval",
  pubkeyacceptedkeytypes: "PubkeyAcceptedAlgorithms",
  setuptimeout: "ServerAliveInterval",
  skeyauthentication: "KbdInteractiveAuthentication",
  smartcarddevice: "PKCS11Provider",
  tisauthentication: "KbdInteractiveAuthentication",
};

/**
 * Keywords that are accepted without effect, in lower case, with the message of `ssh` about each:
 * `Deprecated option`, `Unsupported option`, or no message.
 */
export const WITHOUT_EFFECT: Readonly<Record<string, "Deprecated" | "Unsupported" | "">> = {
  afstokenpassing: "Unsupported",
  cipher: "Deprecated",
  compressionlevel: "Unsupported",
  fallbacktorsh: "Deprecated",
  globalknownhostsfile2: "Deprecated",
  kerberosauthentication: "Unsupported",
  kerberostgtpassing: "Unsupported",
  protocol: "",
  rhostsauthentication: "Deprecated",
  rhostsrsaauthentication: "Unsupported",
  rsaauthentication: "Unsupported",
  useblacklistedkeys: "Deprecated", // of Debian
  useprivilegedport: "Deprecated",
  useroaming: "Deprecated",
  usersh: "Deprecated",
  userknownhostsfile2: "Deprecated",
};

/** Directives of GSSAPI, in lower case. GSSAPI is not implemented, so their values are not read. */
export const NOT_READ: ReadonlySet<string> = new Set([
  "gssapiauthentication",
  "gssapiclientidentity",
  "gssapidelegatecredentials",
  "gssapikexalgorithms",
  "gssapikeyexchange",
  "gssapirenewalforcesrekey",
  "gssapiserveridentity",
  "gssapitrustdns",
]);
