/** Every SSH message as a row; the row is the layout. Only the hot three are in `hot.ts`. */
import {
  boolean,
  fixed,
  message,
  type MessageLayout,
  mpint,
  names,
  remainder,
  string,
  text,
  uint32,
} from "./message.ts";

// RFC 4253 §11.1
export const Disconnect = message("DISCONNECT", 1, {
  reason: uint32,
  description: text,
  language: text,
});
// RFC 4253 §11.2; the data is ignored.
export const Ignore = message("IGNORE", 2, { data: string });
// RFC 4253 §11.4
export const Unimplemented = message("UNIMPLEMENTED", 3, { sequence: uint32 });
// RFC 4253 §11.3
export const Debug = message("DEBUG", 4, { display: boolean, text, language: text });
// RFC 4253 §10
export const ServiceRequest = message("SERVICE_REQUEST", 5, { service: text });
export const ServiceAccept = message("SERVICE_ACCEPT", 6, { service: text });
// RFC 8308 §2.3: a count, then pairs of name and value.
export const ExtInfo = message("EXT_INFO", 7, { count: uint32, pairs: remainder });

// RFC 4253 §7.1
export const KexInit = message("KEXINIT", 20, {
  cookie: fixed(16),
  kex: names,
  hostKey: names,
  cipherC2S: names,
  cipherS2C: names,
  macC2S: names,
  macS2C: names,
  compressionC2S: names,
  compressionS2C: names,
  languageC2S: names,
  languageS2C: names,
  firstKexPacketFollows: boolean,
  reserved: uint32,
});
// RFC 4253 §7.3
export const NewKeys = message("NEWKEYS", 21, {});
// RFC 5656 §4, RFC 8731 §3, draft-ietf-sshm-mlkem-hybrid-kex §2.3: all have this layout. So does RFC 4253
// §8, with mpints for the public values, which are encoded like strings.
export const KexEcdhInit = message("KEX_ECDH_INIT", 30, { publicValue: string });
export const KexEcdhReply = message("KEX_ECDH_REPLY", 31, {
  hostKey: string,
  publicValue: string,
  signature: string,
});
// RFC 4419 §5; 31 answers 34, and 33 answers 32.
export const KexDhGexRequest = message("KEX_DH_GEX_REQUEST", 34, {
  min: uint32,
  preferred: uint32,
  max: uint32,
});
export const KexDhGexGroup = message("KEX_DH_GEX_GROUP", 31, { prime: mpint, generator: mpint });
export const KexDhGexInit = message("KEX_DH_GEX_INIT", 32, { publicValue: string });
export const KexDhGexReply = message("KEX_DH_GEX_REPLY", 33, {
  hostKey: string,
  publicValue: string,
  signature: string,
});

// RFC 4252 §5
export const UserauthRequest = message("USERAUTH_REQUEST", 50, {
  user: text,
  service: text,
  method: text,
  data: remainder,
});
export const UserauthFailure = message("USERAUTH_FAILURE", 51, {
  remaining: names,
  partial: boolean,
});
export const UserauthSuccess = message("USERAUTH_SUCCESS", 52, {});
export const UserauthBanner = message("USERAUTH_BANNER", 53, { text, language: text });
// RFC 4252 §7
export const UserauthPkOk = message("USERAUTH_PK_OK", 60, { algorithm: text, publicKey: string });
// RFC 4252 §8
export const UserauthPasswdChangereq = message("USERAUTH_PASSWD_CHANGEREQ", 60, {
  prompt: text,
  language: text,
});
// RFC 4256 §3.2: a count, then pairs of prompt and echo.
export const UserauthInfoRequest = message("USERAUTH_INFO_REQUEST", 60, {
  name: text,
  instruction: text,
  language: text,
  count: uint32,
  prompts: remainder,
});
// RFC 4256 §3.4: a count, then the answers.
export const UserauthInfoResponse = message("USERAUTH_INFO_RESPONSE", 61, {
  count: uint32,
  answers: remainder,
});

// RFC 4254 §4
export const GlobalRequest = message("GLOBAL_REQUEST", 80, {
  type: text,
  wantReply: boolean,
  data: remainder,
});
export const RequestSuccess = message("REQUEST_SUCCESS", 81, { data: remainder });
export const RequestFailure = message("REQUEST_FAILURE", 82, {});

// RFC 4254 §5.1
export const ChannelOpen = message("CHANNEL_OPEN", 90, {
  type: text,
  sender: uint32,
  window: uint32,
  maxPacket: uint32,
  data: remainder,
});
export const ChannelOpenConfirmation = message("CHANNEL_OPEN_CONFIRMATION", 91, {
  recipient: uint32,
  sender: uint32,
  window: uint32,
  maxPacket: uint32,
  data: remainder,
});
export const ChannelOpenFailure = message("CHANNEL_OPEN_FAILURE", 92, {
  recipient: uint32,
  reason: uint32,
  description: text,
  language: text,
});
// RFC 4254 §5.3
export const ChannelEof = message("CHANNEL_EOF", 96, { recipient: uint32 });
export const ChannelClose = message("CHANNEL_CLOSE", 97, { recipient: uint32 });
// RFC 4254 §5.4
export const ChannelRequest = message("CHANNEL_REQUEST", 98, {
  recipient: uint32,
  type: text,
  wantReply: boolean,
  data: remainder,
});
export const ChannelSuccess = message("CHANNEL_SUCCESS", 99, { recipient: uint32 });
export const ChannelFailure = message("CHANNEL_FAILURE", 100, { recipient: uint32 });

// OpenSSH PROTOCOL §1.9
export const Ping = message("PING", 192, { data: string });
export const Pong = message("PONG", 193, { data: string });

/** The rows by number, for errors and traces; 31, 60 and 61 depend on the method. */
export const MESSAGES: ReadonlyMap<number, MessageLayout<unknown>> = new Map(
  ([
    Disconnect,
    Ignore,
    Unimplemented,
    Debug,
    ServiceRequest,
    ServiceAccept,
    ExtInfo,
    KexInit,
    NewKeys,
    KexEcdhInit,
    KexEcdhReply,
    KexDhGexRequest,
    KexDhGexInit,
    KexDhGexReply,
    UserauthRequest,
    UserauthFailure,
    UserauthSuccess,
    UserauthBanner,
    GlobalRequest,
    RequestSuccess,
    RequestFailure,
    ChannelOpen,
    ChannelOpenConfirmation,
    ChannelOpenFailure,
    ChannelEof,
    ChannelClose,
    ChannelRequest,
    ChannelSuccess,
    ChannelFailure,
    Ping,
    Pong,
  ] as MessageLayout<never>[]).map((row) => [row.number, row]),
);
