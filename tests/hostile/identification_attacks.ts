/** Data that hostile or wrong peers send before or instead of an identification (RFC 4253 §4.2). */
import type { Attack } from "./attack.ts";
import { kexInit, latin1, packet } from "../support/raw_packets.ts";

const MEBIBYTE = 1024 * 1024;

/** The beginning of a TLS 1.2 ClientHello, as a browser on the wrong port sends it. */
const TLS_CLIENT_HELLO = latin1(
  "\x16\x03\x01\x00\x31\x01\x00\x00\x2d\x03\x03" + "r".repeat(32) +
    "\x00\x00\x04\x13\x01\x13\x02\x01\x00\x00\x00",
);
const TLS_ALERT = latin1("\x15\x03\x01\x00\x02\x02\x46");
const HTTP_REQUEST = "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: raw\r\n\r\n";
const HTTP_RESPONSE = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";

/** Sends this and nothing more. */
const says = (...parts: (string | Uint8Array)[]): Attack["run"] => (peer) => peer.send(...parts);

/** Every attack on the identification. */
export const IDENTIFICATION_ATTACKS: readonly Attack[] = [
  {
    name: "an endless identification",
    async run(peer) {
      await peer.send("SSH-2.0-");
      await peer.flood(latin1("A".repeat(4096)), 64 * MEBIBYTE);
    },
    ends: true,
  },
  {
    name: "an identification of more than 8192 bytes",
    run: says(`SSH-2.0-${"x".repeat(8192)}\r\n`),
    ends: true,
  },
  { name: "an identification with a NUL", run: says("SSH-2.0-a\0b\r\n"), ends: true },
  { name: "an identification with an escape", run: says("SSH-2.0-\x1b[2J\r\n"), ends: true },
  {
    name: "an identification of SSH 1.5",
    run: says("SSH-1.5-ancient\r\n"),
    ends: true,
    error: /1\.5/,
  },
  { name: "an identification of SSH 3.0", run: says("SSH-3.0-new\r\n"), ends: true },
  { name: "an identification without a version", run: says("SSH-\r\n"), ends: true },
  { name: "an identification without a program", run: says("SSH-2.0\r\n"), ends: true },
  {
    name: "binary noise",
    run: says(Uint8Array.from({ length: 512 }, (_, i) => 255 - i)),
    ends: true,
  },
  { name: "a line of nothing but NULs", run: says("\0".repeat(64) + "\r\n"), ends: true },
  { name: "an immediate EOF", run: (peer) => peer.closeWrite(), ends: true },
  {
    name: "EOF within the identification",
    async run(peer) {
      await peer.send("SSH-2.0-ra");
      await peer.closeWrite();
    },
    ends: true,
  },
  {
    name: "EOF after the identification",
    async run(peer) {
      await peer.send("SSH-2.0-raw\r\n");
      await peer.closeWrite();
    },
    ends: true,
  },

  { by: "client", name: "an HTTP request", run: says(HTTP_REQUEST), ends: true },
  { by: "client", name: "a TLS ClientHello", run: says(TLS_CLIENT_HELLO), ends: true },
  {
    by: "client",
    name: "a line before a client's identification",
    run: says("Hello\r\nSSH-2.0-raw\r\n"),
    ends: true,
  },
  {
    by: "client",
    name: "endless empty lines from a client",
    run: (peer) => peer.flood(latin1("\r\n".repeat(2048)), 64 * MEBIBYTE),
    ends: true,
  },

  {
    by: "server",
    name: "an HTTP response",
    run: says(HTTP_RESPONSE),
    ends: true,
    error: /does not speak SSH.*HTTP/,
  },
  {
    by: "server",
    name: "a TLS alert",
    async run(peer) {
      await peer.send(TLS_ALERT);
      await peer.closeWrite();
    },
    ends: true,
  },
  {
    by: "server",
    name: "endless lines before a server's identification",
    run: (peer) => peer.flood(latin1("Please wait\r\n".repeat(512)), 64 * MEBIBYTE),
    ends: true,
  },
  {
    by: "server",
    name: "an endless line before a server's identification",
    run: (peer) => peer.flood(latin1("A".repeat(4096)), 64 * MEBIBYTE),
    ends: true,
  },
  {
    by: "server",
    name: "escapes in the lines before a server's identification",
    run: says("\x1b]0;owned\x07\x1b[31m\r\nSSH-1.0-x\r\n"),
    ends: true,
  },

  {
    name: "an identification and KEXINIT in segments of one byte",
    async run(peer) {
      await peer.sendBytewise(latin1("SSH-2.0-raw\r\n"));
      await peer.sendBytewise(packet(kexInit()));
      await peer.until(({ packets }) => packets.length > 0, "KEXINIT");
    },
    ends: false,
  },
  {
    name: "an identification that ends in only LF",
    async run(peer) {
      await peer.send("SSH-2.0-raw\n");
      await peer.until(({ packets }) => packets.length > 0, "KEXINIT");
    },
    ends: false,
  },
  {
    name: "an identification with a comment",
    async run(peer) {
      await peer.send("SSH-2.0-raw_1.0 a comment, with more-of it\r\n");
      await peer.until(({ packets }) => packets.length > 0, "KEXINIT");
    },
    ends: false,
  },
  {
    name: "an identification and KEXINIT in one segment",
    async run(peer) {
      await peer.send("SSH-2.0-raw\r\n", packet(kexInit()));
      await peer.until(({ packets }) => packets.length > 0, "KEXINIT");
    },
    ends: false,
  },
  {
    by: "server",
    name: "twenty lines before a server's identification",
    async run(peer) {
      await peer.send("Welcome to the machine\r\n".repeat(20), "SSH-2.0-raw\r\n");
      await peer.until(({ packets }) => packets.length > 0, "KEXINIT");
    },
    ends: false,
  },
  {
    by: "server",
    name: "a server that speaks 1.99",
    async run(peer) {
      await peer.send("SSH-1.99-both\r\n");
      await peer.until(({ packets }) => packets.length > 0, "KEXINIT");
    },
    ends: false,
  },
];
