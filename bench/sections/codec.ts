import { Opener, Sealer } from "../../lib/crypto/packet_cipher.ts";
import { DATA_HEADER, readData, writeData, writeWindowAdjust } from "../../lib/wire/hot.ts";
import { ChannelOpen, ChannelRequest, KexInit } from "../../lib/wire/messages.ts";
import { Exec } from "../../lib/wire/requests.ts";
import type { BenchOptions, Report } from "../report.ts";

const PACKET = 32 * 1024;

/** Encodes and decodes messages: data messages by hand-written code, the others by their rows. */
export function codec(report: Report, { quick }: BenchOptions): Promise<void> {
  const rounds = quick ? 20_000 : 200_000;
  const room = new Uint8Array(PACKET + DATA_HEADER);
  const data = new Uint8Array(PACKET).fill(7);
  const exec = { recipient: 7, type: "exec", wantReply: true };
  const command = Exec.encode({ command: "uptime" });
  const request = ChannelRequest.encode({ ...exec, data: command });
  const open = { type: "session", sender: 3, window: 2 ** 21, maxPacket: 2 ** 15 };
  const nothing = new Uint8Array(0);
  const names = ["one@example.com", "two@example.com", "three"];
  const kexInit = KexInit.encode({
    cookie: new Uint8Array(16),
    kex: names,
    hostKey: names,
    cipherC2S: names,
    cipherS2C: names,
    macC2S: names,
    macS2C: names,
    compressionC2S: ["none"],
    compressionS2C: ["none"],
    languageC2S: [],
    languageS2C: [],
    firstKexPacketFollows: false,
    reserved: 0,
  });
  using sealer = new Sealer();
  using opener = new Opener();
  const wire = new Uint8Array(PACKET + 1024);
  const ways: Record<string, () => unknown> = {
    "CHANNEL_DATA 32 KiB, written": () => writeData(room, 7, 0, data),
    "CHANNEL_DATA 32 KiB, read": () => readData(room, DATA_HEADER),
    "WINDOW_ADJUST, written": () => writeWindowAdjust(room, 7, PACKET),
    "CHANNEL_OPEN, written": () => ChannelOpen.encode({ ...open, data: nothing }),
    "CHANNEL_REQUEST exec, written": () => ChannelRequest.encode({ ...exec, data: command }),
    "CHANNEL_REQUEST exec, read": () => Exec.decode(ChannelRequest.decode(request).data),
    "KEXINIT, read": () => KexInit.decode(kexInit),
    "framed by the core without a cipher, 64 B, there and back": () => {
      sealer.sealPayload(data.subarray(0, 64));
      opener.push(wire.subarray(0, sealer.take(wire)));
      return opener.next();
    },
  };
  writeData(room, 7, 0, data);
  const rows = Object.entries(ways).map(([name, way]) => {
    // The data rows leave the bytes that the read row needs; adjusts are written elsewhere.
    const ns = perCall(way, rounds);
    writeData(room, 7, 0, data);
    return [name, ns.toFixed(0)];
  });
  report.table("Codec, best of five, one call", ["message", "ns"], rows);
  report.data("codec", Object.fromEntries(rows));
  return Promise.resolve();
}

function perCall(way: () => unknown, rounds: number): number {
  let best = Infinity;
  for (let pass = 0; pass < 5; pass++) {
    const began = performance.now();
    for (let i = 0; i < rounds; i++) way();
    best = Math.min(best, (performance.now() - began) * 1e6 / rounds);
  }
  return best;
}
