/** Keywords that set nothing: other names, and what OpenSSH has given up or we do not have. */
import { printable } from "../errors.ts";
import { ArgumentError, type Arguments } from "./arguments.ts";
import type { RawSettings } from "./directives.ts";
import { flag, word } from "./values.ts";

/** Other names of directives, Debian's among them, in lower case. */
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
 * Keywords that are taken without effect, in lower case: ssh says `Deprecated option` or
 * `Unsupported option` of them, or nothing.
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
  useblacklistedkeys: "Deprecated", // Debian's
  useprivilegedport: "Deprecated",
  useroaming: "Deprecated",
  usersh: "Deprecated",
  userknownhostsfile2: "Deprecated",
};

/** GSSAPI, which we do not have: its values are checked and forgotten. */
export const FORGOTTEN: Readonly<Record<string, (args: Arguments) => unknown>> = {
  gssapiauthentication: flag,
  gssapiclientidentity: word,
  gssapidelegatecredentials: flag,
  gssapikexalgorithms: gssapiKex,
  gssapikeyexchange: flag,
  gssapirenewalforcesrekey: flag,
  gssapiserveridentity: word,
  gssapitrustdns: flag,
};

function gssapiKex(args: Arguments): void {
  const text = args.next();
  const name =
    /^gss-(gex-sha1|group1-sha1|group14-sha1|group14-sha256|group16-sha512|nistp256-sha256|curve25519-sha256)-$/;
  if (!text.split(",").every((each) => name.test(each))) {
    throw new ArgumentError(`Bad GSSAPI KexAlgorithms '${printable(text)}'.`);
  }
}
