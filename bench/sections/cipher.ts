import { wasmBuild } from "../../lib/crypto/wasm.ts";
import { LARGE, race, ROWS, SIZES } from "../cipher_bench.ts";
import type { BenchOptions, Report } from "../report.ts";

const QUICK = {
  ciphers: /chacha20|aes128-gcm|aes256-ctr.*256-etm/,
  sizes: [64, LARGE],
  ms: 60,
};
const FULL = { ciphers: /./, sizes: SIZES, ms: 400 };
const WAYS = ["seal", "open", "ring", "node"];

/** The packet core alone; `bench/cipher_bench.ts` also compares it with `openssl speed`. */
export function cipher(report: Report, { quick }: BenchOptions): Promise<void> {
  const { ciphers, sizes, ms } = quick ? QUICK : FULL;
  const rows = ROWS.filter((row) => ciphers.test(`${row.cipher} ${row.mac}`)).flatMap((row) =>
    sizes.map((size) => {
      const best = race(row, size, ms);
      const name = [row.cipher, row.mac].map((part) => part.replace("@openssh.com", "")).join(" ")
        .trim();
      if (size === LARGE && row.mac === "") {
        for (const way of ["seal", "open"]) {
          report.figure(`cipher.${name}.${way}`, size / best[way]! / 1000);
        }
      }
      const rates = WAYS.map((way) => best[way] ? (size / best[way] / 1000).toFixed(0) : "-");
      return [`${name} ${size} B`, ...rates, (best.seal! * 1e6).toFixed(0)];
    })
  );
  report.table(
    `Packet core (${wasmBuild()}), MB/s of payload; ring in WebAssembly, node:crypto`,
    ["cipher, packet", ...WAYS, "seal, ns"],
    rows,
  );
  return Promise.resolve();
}
