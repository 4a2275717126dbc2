/** Unpacks LZMA data, the format of the core; the test data was packed by xz. */
import { assertEquals, assertThrows } from "@std/assert";
import { unpack } from "../../lib/crypto/unpack.ts";
import { decodeBase64 } from "../../lib/encoding.ts";
import { unpacker } from "../../wasm/pkg/module.ts";

const NUMBERS = Array.from(
  { length: 60 },
  (_, i) =>
    `${i * i % 1000} is the square of ${i} modulo 1000, and ${i * i * i % 977} is something else`,
).join("\n");

// deno-fmt-ignore
const CASES: readonly (readonly [name: string, text: string, packed: string])[] = [
  ["Letters without a match", "abc", "XQAAAQADAAAAAAAAAAAwmIikSo6f//ZjgAA="],
  ["A long run of one letter", "a".repeat(5000), "XQAAAQCIEwAAAAAAAAAw7/u//qOxXuX4P7KqJlX4aHBBcBUPjf0eNdCQgN///YQQAA=="],
  ["Text with near and far matches", NUMBERS, "XQAAAQCcDgAAAAAAAAAYCAmn5z2DvKP5N3csyOlRlt/qY8IYQV4ch9EziS44TSa4TaYDFjIXO8lbBWBx1FTmbhcpU/HoWNqaHlGZJ9DI+8KVtzTCikd78BJdmTlbUhwCJwW6xex69DHRSaeKYFhe8iP4GlC8QQ222a2vsmHT6qcEnZfpFZWJPXNSbYPCgdLPSfdQddt+yzU/dBXpVAfUQeiu5j/Ppe851NP7/4e2IsbIWrQ6ELSonLqJjpWnnGriwIOVkcRHNKzoDPEsa/t9Oc+aBmpfEpXEqiXBlxPslxEpv0TQn4xSsSaPOzLCfkRigP6fr4l8Zop1hilEMkcluQqB4fF3FXoiOKFTatfRVJY+v8eZXqtNxjgUloLNXi02FAlKKoe4MpKbvCBhyvUcgoFziJiIaHjGxOEq5GnCB5wHNrl4TJ0uGwsKEhdecdWGWswvR6EtYD77WobMInuwEkOmM010HmaX1xus880IXcRw35OSt6g31/V1PlMHP6GfepYQPdZEi2+cZds7SKkR1DBgltvd9liBP/lNKQyZFHaUpEd+bVCEljxeIpD6DREY55YcirmOFqleRc0+BqX+AU9SKDVnvMRfzLbcmSMFqW7242WmJQkdyFv5cBtVoyrkDInLN//9I7cF"],
];

const MODULE = decodeBase64(unpacker)!;

for (const [name, text, packed] of CASES) {
  Deno.test(`${name} is unpacked`, () => {
    const bytes = unpack(MODULE, decodeBase64(packed)!);
    assertEquals(new TextDecoder().decode(bytes), text);
  });
}

Deno.test("Data that refers to before its start ends in a trap", () => {
  const packed = decodeBase64(CASES[1]![2])!;
  packed[14]! = 0xff; // of the range coder: a match instead of the first letter
  assertThrows(() => unpack(MODULE, packed), WebAssembly.RuntimeError);
});
