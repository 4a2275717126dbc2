import { assertEquals, assertThrows } from "@std/assert";
import { decodeBase64, decodeHex, encodeBase64, encodeHex } from "../lib/encoding.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

// RFC 4648 §10
const VECTORS: readonly [text: string, base64: string, hex: string][] = [
  ["", "", ""],
  ["f", "Zg==", "66"],
  ["fo", "Zm8=", "666f"],
  ["foo", "Zm9v", "666f6f"],
  ["foob", "Zm9vYg==", "666f6f62"],
  ["fooba", "Zm9vYmE=", "666f6f6261"],
  ["foobar", "Zm9vYmFy", "666f6f626172"],
];

for (const [text, base64, hex] of VECTORS) {
  Deno.test(`"${text}" is "${base64}" in base64 and "${hex}" in hexadecimal`, () => {
    assertEquals(encodeBase64(bytes(text)), base64);
    assertEquals(decodeBase64(base64), bytes(text));
    assertEquals(encodeHex(bytes(text)), hex);
    assertEquals(decodeHex(hex), bytes(text));
    assertEquals(decodeHex(hex.toUpperCase()), bytes(text));
  });
}

Deno.test("Every byte survives hexadecimal and base64, also in a long text", () => {
  const all = Uint8Array.from({ length: 200_000 }, (_, i) => i);
  assertEquals(decodeHex(encodeHex(all)), all);
  assertEquals(decodeBase64(encodeBase64(all)), all);
});

Deno.test("decodeBase64 returns null for text that is not canonical", () => {
  const wrong = [
    "Zg",
    "Zg=",
    "Zh==",
    "Zm9=",
    "Zm9v\n",
    " Zm9v",
    "Zm 9v",
    "Z",
    "====",
    "Zm9v=",
    "Zm-_",
    "é",
  ];
  for (const text of wrong) assertEquals(decodeBase64(text), null, text);
});

Deno.test("decodeHex refuses half bytes and other characters", () => {
  for (const text of ["0", "0g", "0x", " 00", "00\n", "é0", "-1"]) {
    assertThrows(() => decodeHex(text), SyntaxError, "not hexadecimal");
  }
});
