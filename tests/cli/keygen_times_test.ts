import { assertEquals, assertThrows } from "@std/assert";
import { localTime, parseValidity } from "../../lib/cli/keygen/times.ts";
import { parseTimestamp } from "../../lib/keys/timestamp.ts";

const NOW = new Date("2026-06-01T12:34:56.789Z");

for (
  const [text, from, to] of [
    ["always:forever", null, null],
    ["+1w", "2026-06-01T12:33:00Z", "2026-06-08T12:34:56Z"],
    ["+90", "2026-06-01T12:33:00Z", "2026-06-01T12:36:26Z"],
    ["+1d12h30m5s", "2026-06-01T12:33:00Z", "2026-06-03T01:05:01Z"],
    ["-4w:+4w", "2026-05-04T12:34:56Z", "2026-06-29T12:34:56Z"],
    ["-1W2D:forever", "2026-05-23T12:34:56Z", null],
    ["always:20270101Z", null, "2027-01-01T00:00:00Z"],
    ["202601020304Z:20270102030405UTC", "2026-01-02T03:04:00Z", "2027-01-02T03:04:05Z"],
    ["0x0:0x100", "1970-01-01T00:00:00Z", "1970-01-01T00:04:16Z"],
  ] as const
) {
  Deno.test(`-V ${text} is from ${from ?? "always"} to ${to ?? "no end"}`, () => {
    assertEquals(parseValidity(text, NOW), {
      ...(from !== null && { validAfter: new Date(from) }),
      ...(to !== null && { validBefore: new Date(to) }),
    });
  });
}

Deno.test("-V refuses malformed intervals", () => {
  for (
    const text of [
      "",
      "+",
      "1w",
      "always",
      "forever:always",
      "+1y",
      "+1w:",
      ":",
      "20260101:20250101",
    ]
  ) {
    assertThrows(() => parseValidity(text, NOW), Error, undefined, text);
  }
  assertThrows(
    () => parseValidity("20270101Z:20260101Z", NOW),
    Error,
    "Empty certificate validity",
  );
});

Deno.test("a timestamp with a Z is in UTC, without it in local time", () => {
  assertEquals(parseTimestamp("20260102Z"), new Date("2026-01-02T00:00:00Z"));
  assertEquals(parseTimestamp("202601020304"), new Date(2026, 0, 2, 3, 4));
  assertEquals(parseTimestamp("20260102030405"), new Date(2026, 0, 2, 3, 4, 5));
  const seconds = BigInt(new Date(2026, 0, 2, 3, 4, 5).getTime() / 1000);
  assertEquals(localTime(seconds), "2026-01-02T03:04:05");
  const wrong = [
    ...[
      "",
      "2026",
      "2026010",
      "20261301",
      "20260230",
      "20260101T00",
      "202601012400",
      "20260101006000",
    ],
    ...["20260101000060", "19691231Z", "0x1234", "20260101Z ", "２０２６０１０１"],
  ];
  for (const text of wrong) assertEquals(parseTimestamp(text), null, text);
});
