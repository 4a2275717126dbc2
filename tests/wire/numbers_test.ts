/** The RFCs' numbers, written down separately, since two ends with the same mistake would agree. */
import { assertEquals } from "@std/assert";
import * as m from "../../lib/wire/messages.ts";
import {
  DISCONNECT,
  MSG,
  OPEN_FAILURE,
  SIGNALS,
  STDERR,
  TTY_MODES,
} from "../../lib/wire/numbers.ts";

/** Reads runs: a number, and the names of it and of the next ones. */
function runs(text: string): Record<string, number> {
  let next = 0;
  const pairs: [string, number][] = [];
  for (const word of text.trim().split(/\s+/)) {
    if (/^\d+$/.test(word)) next = Number(word);
    else pairs.push([word, next++]);
  }
  return Object.fromEntries(pairs);
}

Deno.test("Messages have the numbers of RFC 4250 §4.1.2 and OpenSSH's PROTOCOL", () => {
  assertEquals<Record<string, number>>(
    { ...MSG },
    runs(`
      1 DISCONNECT IGNORE UNIMPLEMENTED DEBUG SERVICE_REQUEST SERVICE_ACCEPT EXT_INFO
      20 KEXINIT NEWKEYS 30 KEX_INIT KEX_REPLY
      50 USERAUTH_REQUEST USERAUTH_FAILURE USERAUTH_SUCCESS USERAUTH_BANNER
      60 USERAUTH_60 USERAUTH_61
      80 GLOBAL_REQUEST REQUEST_SUCCESS REQUEST_FAILURE
      90 CHANNEL_OPEN CHANNEL_OPEN_CONFIRMATION CHANNEL_OPEN_FAILURE CHANNEL_WINDOW_ADJUST
      CHANNEL_DATA CHANNEL_EXTENDED_DATA CHANNEL_EOF CHANNEL_CLOSE CHANNEL_REQUEST
      CHANNEL_SUCCESS CHANNEL_FAILURE
      192 PING PONG
    `),
  );
});

Deno.test("Rows have the numbers of their messages, also if several share one", () => {
  const rows = Object.values(m).filter((row): row is typeof m.Ignore =>
    typeof row === "object" && "decode" in row
  );
  assertEquals(
    Object.fromEntries(rows.map(({ name, number }) => [name, number])),
    {
      ...runs(`
        1 DISCONNECT IGNORE UNIMPLEMENTED DEBUG SERVICE_REQUEST SERVICE_ACCEPT EXT_INFO
        20 KEXINIT NEWKEYS 30 KEX_ECDH_INIT KEX_ECDH_REPLY
        31 KEX_DH_GEX_GROUP KEX_DH_GEX_INIT KEX_DH_GEX_REPLY KEX_DH_GEX_REQUEST
        50 USERAUTH_REQUEST USERAUTH_FAILURE USERAUTH_SUCCESS USERAUTH_BANNER
        60 USERAUTH_PK_OK 60 USERAUTH_PASSWD_CHANGEREQ 60 USERAUTH_INFO_REQUEST
        61 USERAUTH_INFO_RESPONSE
        80 GLOBAL_REQUEST REQUEST_SUCCESS REQUEST_FAILURE
        90 CHANNEL_OPEN CHANNEL_OPEN_CONFIRMATION CHANNEL_OPEN_FAILURE
        96 CHANNEL_EOF CHANNEL_CLOSE CHANNEL_REQUEST CHANNEL_SUCCESS CHANNEL_FAILURE
        192 PING PONG
      `),
    },
  );
});

Deno.test("Reasons have the numbers of RFC 4253 §11.1 and RFC 4254 §5.1", () => {
  assertEquals<Record<string, number>>(
    { ...DISCONNECT },
    runs(`
      1 HOST_NOT_ALLOWED_TO_CONNECT PROTOCOL_ERROR KEY_EXCHANGE_FAILED
      5 MAC_ERROR COMPRESSION_ERROR SERVICE_NOT_AVAILABLE PROTOCOL_VERSION_NOT_SUPPORTED
      HOST_KEY_NOT_VERIFIABLE CONNECTION_LOST BY_APPLICATION TOO_MANY_CONNECTIONS
      AUTH_CANCELLED_BY_USER NO_MORE_AUTH_METHODS_AVAILABLE ILLEGAL_USER_NAME
    `),
  );
  assertEquals<Record<string, number>>(
    { ...OPEN_FAILURE },
    runs("1 ADMINISTRATIVELY_PROHIBITED CONNECT_FAILED UNKNOWN_CHANNEL_TYPE RESOURCE_SHORTAGE"),
  );
  assertEquals(STDERR, 1);
});

Deno.test("Terminal modes have the opcodes of RFC 4254 §8 and RFC 8160, signals the names of §6.10", () => {
  assertEquals<Record<string, number>>(
    { ...TTY_MODES },
    runs(`
      1 VINTR VQUIT VERASE VKILL VEOF VEOL VEOL2 VSTART VSTOP VSUSP VDSUSP VREPRINT VWERASE
      VLNEXT VFLUSH VSWTCH VSTATUS VDISCARD
      30 IGNPAR PARMRK INPCK ISTRIP INLCR IGNCR ICRNL IUCLC IXON IXANY IXOFF IMAXBEL IUTF8
      50 ISIG ICANON XCASE ECHO ECHOE ECHOK ECHONL NOFLSH TOSTOP IEXTEN ECHOCTL ECHOKE PENDIN
      70 OPOST OLCUC ONLCR OCRNL ONOCR ONLRET 90 CS7 CS8 PARENB PARODD
      128 TTY_OP_ISPEED TTY_OP_OSPEED
    `),
  );
  assertEquals(
    SIGNALS.join(" "),
    "ABRT ALRM FPE HUP ILL INT KILL PIPE QUIT SEGV TERM USR1 USR2",
  );
});
