import type { ByteStreams } from "../transport/socket.ts";

/**
 * Two ends of a byte stream in memory, for tests without a network. Bytes written to one end are read from
 * the other.
 *
 * @param bytes The bytes that each direction buffers before writers wait; 256 KiB by default
 *
 * @example
 * ```ts
 * import { memoryPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const [here, there] = memoryPair();
 * const writer = here.writable.getWriter();
 * writer.write(new TextEncoder().encode("ping"));
 * const { value } = await there.readable.getReader().read();
 * assertEquals(new TextDecoder().decode(value), "ping");
 * ```
 */
export function memoryPair(bytes: number = 256 * 1024): [ByteStreams, ByteStreams] {
  const strategy = new ByteLengthQueuingStrategy({ highWaterMark: bytes });
  const one = new TransformStream<Uint8Array, Uint8Array>({}, undefined, strategy);
  const two = new TransformStream<Uint8Array, Uint8Array>({}, undefined, strategy);
  return [
    { readable: one.readable, writable: two.writable },
    { readable: two.readable, writable: one.writable },
  ];
}
