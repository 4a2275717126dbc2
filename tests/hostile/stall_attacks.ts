/** Peers that keep a connection open without progress: a single deadline must end them. */
import type { Attacker } from "./attack.ts";
import {
  kexInit,
  latin1,
  message,
  NUMBER,
  packet,
  string,
  uint32,
} from "../support/raw_packets.ts";
import type { RawPeer } from "../support/raw_peer.ts";

const DRIP = { interval: 20, count: Infinity };

/** A way to stall. */
export interface Stall {
  /** Completes a sentence such as "The server hangs up on …". */
  readonly name: string;
  /** Carries it out until the other end hangs up. */
  run(peer: RawPeer, attacker: Attacker): Promise<void>;
}

/** Every way to stall before the login; the drips send a byte long before any deadline, endlessly. */
export const STALLS: readonly Stall[] = [
  { name: "a silent peer", run: async () => {} },
  { name: "half an identification", run: (peer) => peer.send("SSH-2.0-ra") },
  {
    name: "an identification that drips",
    run: (peer) => peer.drip(latin1("SSH-2.0-" + "r".repeat(240)), DRIP),
  },
  {
    name: "nothing after the identification",
    run: (peer) => peer.send("SSH-2.0-raw\r\n"),
  },
  {
    name: "a KEXINIT that drips",
    async run(peer) {
      await peer.greet();
      await peer.drip(packet(kexInit()), DRIP);
    },
  },
  {
    name: "nothing after KEXINIT",
    async run(peer) {
      await peer.greet();
      await peer.send(packet(kexInit()));
    },
  },
  {
    name: "a claim of 200 KiB and then silence",
    async run(peer) {
      await peer.greet();
      await peer.send(uint32(200 * 1024 + 4), Uint8Array.of(4), new Uint8Array(100));
    },
  },
  {
    name: "a claim of 200 KiB that drips",
    async run(peer) {
      await peer.greet();
      await peer.send(uint32(200 * 1024 + 4), Uint8Array.of(4));
      await peer.drip(new Uint8Array(1), DRIP);
    },
  },
  {
    name: "endless IGNORE messages instead of a key exchange",
    async run(peer) {
      await peer.greet();
      await peer.send(packet(kexInit()));
      const ignore = packet(message(NUMBER.IGNORE, string("")));
      await peer.drip(ignore, { ...DRIP, size: ignore.length });
    },
  },
];
