/** The fields after the type of a channel open, a channel request or a global request. */
import { boolean, byte, cText, layout, string, text, uint32 } from "./message.ts";

// RFC 4254 §6.2
export const PtyReq = layout({
  term: cText,
  columns: uint32,
  rows: uint32,
  width: uint32,
  height: uint32,
  modes: string,
});
// RFC 4254 §6.3.1
export const X11Req = layout({ single: boolean, protocol: text, cookie: text, screen: uint32 });
// RFC 4254 §6.3.2
export const X11Open = layout({ originatorAddress: text, originatorPort: uint32 });
// RFC 4254 §6.4
export const Env = layout({ name: text, value: text });
// RFC 4254 §6.5
export const Exec = layout({ command: cText });
export const Subsystem = layout({ name: cText });
// RFC 4254 §6.7
export const WindowChange = layout({
  columns: uint32,
  rows: uint32,
  width: uint32,
  height: uint32,
});
// RFC 4254 §6.9
export const Signal = layout({ name: text });
// RFC 4254 §6.10
export const ExitStatus = layout({ status: uint32 });
export const ExitSignal = layout({
  name: text,
  coreDumped: boolean,
  message: text,
  language: text,
});
// RFC 4335 §3
export const Break = layout({ milliseconds: uint32 });
// RFC 4254 §6.8
export const XonXoff = layout({ clientCanDo: boolean });

// RFC 4254 §7.1
export const TcpipForward = layout({ address: text, port: uint32 });
export const BoundPort = layout({ port: uint32 });
// RFC 4254 §7.2: both direct-tcpip and forwarded-tcpip.
export const TcpipOpen = layout({
  address: text,
  port: uint32,
  originatorAddress: text,
  originatorPort: uint32,
});
// OpenSSH PROTOCOL §2.4
export const StreamlocalForward = layout({ path: text });
export const DirectStreamlocal = layout({ path: text, reserved: text, reservedNumber: uint32 });
export const ForwardedStreamlocal = layout({ path: text, reserved: text });

// draft-miller-sshm-hostkey-update §3: the data that a server signs with each key to prove.
export const HostKeyProved = layout({ purpose: text, sessionId: string, hostKey: string });

// RFC 4252 §8
export const PasswordAuth = layout({ change: boolean, password: text });
export const PasswordChange = layout({ change: boolean, password: text, newPassword: text });
// RFC 4256 §3.1
export const InteractiveAuth = layout({ language: text, submethods: text });
// RFC 4252 §7
export const PublicKeyProbe = layout({ signed: boolean, algorithm: text, publicKey: string });
export const PublicKeyAuth = layout({
  signed: boolean,
  algorithm: text,
  publicKey: string,
  signature: string,
});
// OpenSSH PROTOCOL §3.1: the same with the server's host key, so that a signature is valid for one
// host only.
export const HostBoundProbe = layout({
  signed: boolean,
  algorithm: text,
  publicKey: string,
  hostKey: string,
});
export const HostBoundAuth = layout({
  signed: boolean,
  algorithm: text,
  publicKey: string,
  hostKey: string,
  signature: string,
});
export const HostBoundSigned = layout({
  sessionId: string,
  number: byte,
  user: text,
  service: text,
  method: text,
  signed: boolean,
  algorithm: text,
  publicKey: string,
  hostKey: string,
});
// RFC 4252 §9
export const HostBasedAuth = layout({
  algorithm: text,
  hostKey: string,
  hostName: text,
  userName: text,
  signature: string,
});
// RFC 4252 §9: the data under a hostbased signature, the session identifier first.
export const HostBasedSigned = layout({
  sessionId: string,
  number: byte,
  user: text,
  service: text,
  method: text,
  algorithm: text,
  hostKey: string,
  hostName: text,
  userName: text,
});
// RFC 4252 §7: the data under a publickey signature, the session identifier first.
export const PublicKeySigned = layout({
  sessionId: string,
  number: byte,
  user: text,
  service: text,
  method: text,
  signed: boolean,
  algorithm: text,
  publicKey: string,
});
