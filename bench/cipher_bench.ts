/**
 * Throughput of the packet core, per cipher and packet size, beside ring in WebAssembly,
 * `node:crypto` in the same process, and OpenSSL's own `openssl speed` if it is installed.
 *
 *     deno run -A bench/cipher_bench.ts [filter]
 *
 * The implementations are measured alternately, and the best run of each counts: on a busy machine the
 * ratios are still valid where single figures are not.
 *
 * @module
 */

import { createCipheriv, createHmac } from "node:crypto";
import { Opener, type RawKeys, Sealer } from "../lib/crypto/packet_cipher.ts";
import { wasmBuild } from "../lib/crypto/wasm.ts";
import { RingCipher } from "../wasm/reference/mod.ts";

/** A cipher with its MAC, and the sizes of its keys in bytes. */
export interface Row {
  cipher: string;
  mac: string;
  key: number;
  iv: number;
  macKey: number;
  /** Its names in node:crypto and `openssl speed -evp`. */
  node?: string;
  nodeMac?: string;
  openssl?: string;
}

/** The packet size of bulk data, which the marks are about. */
export const LARGE = 32 * 1024;
const CHACHA = "chacha20-poly1305@openssh.com";
/** Every cipher that the core has a kernel for. */
export const ROWS: readonly Row[] = [
  {
    cipher: CHACHA,
    mac: "",
    key: 64,
    iv: 0,
    macKey: 0,
    node: "chacha20-poly1305",
    openssl: "chacha20-poly1305",
  },
  ...([128, 256] as const).map((bits): Row => ({
    cipher: `aes${bits}-gcm@openssh.com`,
    mac: "",
    key: bits / 8,
    iv: 12,
    macKey: 0,
    node: `aes-${bits}-gcm`,
    openssl: `aes-${bits}-gcm`,
  })),
  ...([128, 256] as const).flatMap((bits) =>
    ([256, 512] as const).map((mac): Row => ({
      cipher: `aes${bits}-ctr`,
      mac: `hmac-sha2-${mac}-etm@openssh.com`,
      key: bits / 8,
      iv: 16,
      macKey: mac / 8,
      node: `aes-${bits}-ctr`,
      nodeMac: `sha${mac}`,
    }))
  ),
];
/** Bytes of payload in a packet. */
export const SIZES: readonly number[] = [64, 1024, 32 * 1024, 64 * 1024];
const BATCH_BYTES = 128 * 1024;
const MEASURE_MS = 400;

/** The timed work for each packet, and the untimed setup. */
interface Way {
  run(): void;
  prepare?(): void;
}

/** Best milliseconds per packet of this size; each implementation in turn runs for `ms`. */
export function race(row: Row, size: number, ms: number = MEASURE_MS): Record<string, number> {
  const batch = Math.max(1, Math.floor(BATCH_BYTES / size));
  const ways = waysFor(row, size, batch);
  const best: Record<string, number> = {};
  const until = performance.now() + ms * Object.keys(ways).length;
  while (performance.now() < until) {
    for (const [name, way] of Object.entries(ways)) {
      way.prepare?.();
      const began = performance.now();
      way.run();
      best[name] = Math.min(best[name] ?? Infinity, (performance.now() - began) / batch);
    }
  }
  return best;
}

function waysFor(row: Row, size: number, batch: number): Record<string, Way> {
  const keys: RawKeys = {
    cipher: row.cipher,
    mac: row.mac,
    key: crypto.getRandomValues(new Uint8Array(row.key)),
    iv: new Uint8Array(row.iv),
    macKey: new Uint8Array(row.macKey),
    sequence: 0,
  };
  const [sealer, opener] = [new Sealer(), new Opener()];
  sealer.setKeys(keys);
  opener.setKeys(keys);
  const wire = new Uint8Array(2 * batch * (size + 128));
  const repeat = (once: (at: number) => void) => () => {
    for (let at = 0; at < batch; at++) once(at);
  };
  const ways: Record<string, Way> = {
    seal: {
      run: repeat(() => {
        sealer.room(size);
        sealer.seal(size);
      }),
    },
    open: {
      prepare: () => opener.push(wire.subarray(0, sealer.take(wire))),
      run: repeat(() => {
        if (opener.next() === null) throw new Error("A packet is missing");
      }),
    },
  };
  if (row.mac === "") {
    const ring = new RingCipher(keys.key);
    ring.load(new Uint8Array(4 + size + 16));
    ways.ring = { run: repeat((at) => ring.seal(at)) };
  }
  const text = new Uint8Array(size);
  const nonce = new Uint8Array(row.mac === "" ? 12 : 16);
  const nodeKey = row.cipher === CHACHA ? keys.key.subarray(0, 32) : keys.key;
  ways.node = {
    run: repeat(() => {
      // Makes a new cipher object for each packet's nonce, as a JavaScript program must.
      const cipher = createCipheriv(row.node! as "aes-128-gcm", nodeKey, nonce);
      const sealed = cipher.update(text);
      cipher.final();
      if (row.nodeMac) createHmac(row.nodeMac, keys.macKey).update(sealed).digest();
      else cipher.getAuthTag();
    }),
  };
  return ways;
}

async function opensslSpeed(name: string, size: number): Promise<string> {
  try {
    const args = ["speed", "-evp", name, "-bytes", `${size}`, "-seconds", "1"];
    const { stdout, success } = await new Deno.Command("openssl", { args, stderr: "null" })
      .output();
    const figure = new TextDecoder().decode(stdout).match(/([\d.]+)k\s*$/)?.[1];
    return success && figure
      ? `${(Number(figure) / 1000).toFixed(0)} (${nanoseconds(size, Number(figure))})`
      : "-";
  } catch {
    return "-";
  }
}

function nanoseconds(size: number, thousands: number): string {
  return `${(size / thousands * 1e6).toFixed(0)} ns`;
}

if (import.meta.main) {
  const filter = Deno.args[0] ?? "";
  console.log(`build: ${wasmBuild()}; MB/s of payload (time for a packet)`);
  for (const row of ROWS) {
    if (!`${row.cipher} ${row.mac}`.includes(filter)) continue;
    console.log(`\n${row.cipher} ${row.mac}`);
    for (const size of SIZES) {
      const cells = Object.entries(race(row, size)).map(([name, each]) => {
        const rate = (size / each / 1000).toFixed(0);
        return `${name} ${rate} (${(each * 1e6).toFixed(0)} ns)`.padEnd(26);
      });
      if (row.openssl) cells.push(`openssl ${await opensslSpeed(row.openssl, size)}`);
      console.log(`${String(size).padStart(6)} B  ${cells.join("")}`);
    }
  }
}
