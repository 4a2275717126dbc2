import { assert, assertEquals } from "@std/assert";
import { MAX_PENALIZED_SOURCES } from "../../lib/defaults.ts";
import { type Offence, Penalties, type PenaltyOptions } from "../../lib/server/penalties.ts";

Deno.test("Penalties add up, and refuse from the minimum sum until they expire", () => {
  const penalties = new Penalties();
  penalties.add("192.0.2.1", "authFail", 0);
  penalties.add("192.0.2.1", "authFail", 0);
  assert(!penalties.refuses("192.0.2.1", 0));
  penalties.add("192.0.2.1", "authFail", 0);
  assert(penalties.refuses("192.0.2.1", 14_999));
  assert(!penalties.refuses("192.0.2.1", 15_000));
  assert(!penalties.refuses("192.0.2.2", 0));
  // The penalty has passed: the next one counts from zero.
  penalties.add("192.0.2.1", "authFail", 20_000);
  assert(!penalties.refuses("192.0.2.1", 20_000));
});

const usual: [Offence, number][] = [["authFail", 5_000], ["noAuth", 1_000], [
  "graceExceeded",
  10_000,
]];
for (const [offence, penalty] of usual) {
  Deno.test(`The penalty for ${offence} is ${penalty} ms by default`, () => {
    const penalties = new Penalties({ min: 1 });
    penalties.add("192.0.2.1", offence, 1_000_000);
    assert(penalties.refuses("192.0.2.1", 1_000_000 + penalty - 1));
    assert(!penalties.refuses("192.0.2.1", 1_000_000 + penalty));
  });
}

Deno.test("Penalties sum to at most 600,000 ms by default", () => {
  const penalties = new Penalties();
  for (let i = 0; i < 100; i++) penalties.add("192.0.2.1", "graceExceeded", 0);
  assert(penalties.refuses("192.0.2.1", 599_999));
  assert(!penalties.refuses("192.0.2.1", 600_000));
});

Deno.test("A penalty for a refused source extends its time", () => {
  const penalties = new Penalties();
  penalties.add("192.0.2.1", "graceExceeded", 0);
  penalties.add("192.0.2.1", "authFail", 0);
  // Connections opened before may still fail.
  penalties.add("192.0.2.1", "noAuth", 14_999);
  assert(penalties.refuses("192.0.2.1", 15_999));
  assert(!penalties.refuses("192.0.2.1", 16_000));
  penalties.add("192.0.2.1", "noAuth", 16_000);
  assert(!penalties.refuses("192.0.2.1", 16_000));
});

Deno.test("Penalties below the minimum sum expire with time", () => {
  const penalties = new Penalties();
  penalties.add("192.0.2.1", "graceExceeded", 0);
  penalties.add("192.0.2.1", "authFail", 1);
  assert(!penalties.refuses("192.0.2.1", 1), "14,999 ms are left");
  penalties.add("192.0.2.1", "noAuth", 1_000);
  assert(penalties.refuses("192.0.2.1", 1_000), "15,000 ms are left");
});

Deno.test("Penalties end within the maximum time, however many there are", () => {
  const penalties = new Penalties({ max: 30_000 });
  for (let i = 0; i < 100; i++) penalties.add("192.0.2.1", "graceExceeded", 0);
  assert(penalties.refuses("192.0.2.1", 29_999));
  assert(!penalties.refuses("192.0.2.1", 30_000));
});

Deno.test("Penalties are for addresses, and some are exempt", () => {
  const penalties = new Penalties({ min: 0, exempt: "10.0.0.0/8,!10.0.0.1" });
  penalties.add("10.1.2.3", "noAuth", 0);
  penalties.add("10.0.0.1", "noAuth", 0);
  assertEquals([penalties.refuses("10.1.2.3", 0), penalties.refuses("10.0.0.1", 0)], [false, true]);
  assert(!penalties.refuses("10.0.0.2", 0));
  penalties.add("::ffff:192.0.2.1", "noAuth", 0);
  assert(penalties.refuses("192.0.2.1", 0));
  penalties.add("2001:DB8:0::1", "noAuth", 0);
  assert(penalties.refuses("2001:db8::1", 0));
});

Deno.test("An IPv6 network is refused once its addresses have offended four times as much", () => {
  const penalties = new Penalties();
  for (let i = 0; i < 3; i++) penalties.add("2001:db8::1", "authFail", 0);
  assert(penalties.refuses("2001:db8::1", 0));
  assert(!penalties.refuses("2001:db8::2", 0), "its neighbours are not");
  // An attacker that uses a new address each time.
  for (let i = 3; i < 12; i++) {
    assert(!penalties.refuses("2001:db8::ffff", 0));
    penalties.add(`2001:db8::${i + 16}`, "authFail", 0);
  }
  assert(penalties.refuses("2001:db8::ffff", 0));
  assert(!penalties.refuses("2001:db8:0:1::1", 0), "another network");
});

Deno.test("Thousands of IPv6 sources evict no IPv4 source", () => {
  const penalties = new Penalties({ min: 0 });
  penalties.add("192.0.2.1", "graceExceeded", 0);
  for (let at = 0; at < MAX_PENALIZED_SOURCES; at++) {
    penalties.add(`2001:db8:${(at >> 8).toString(16)}:${(at & 255).toString(16)}::1`, "noAuth", 0);
  }
  assert(penalties.refuses("192.0.2.1", 0));
});

Deno.test("A refusal is reported once", () => {
  const penalties = new Penalties();
  const offend = (now: number) => penalties.add("192.0.2.1", "graceExceeded", now);
  offend(0);
  assertEquals(penalties.untold("192.0.2.1", 0), null);
  offend(0);
  assertEquals(penalties.untold("192.0.2.1", 1), 19_999);
  assertEquals(penalties.untold("192.0.2.1", 2), null);
  offend(3); // while it is refused
  assertEquals(penalties.untold("192.0.2.1", 4), null);
  offend(100_000);
  offend(100_000);
  assertEquals(penalties.untold("192.0.2.1", 100_000), 20_000);
});

Deno.test("Expired sources are evicted before refused ones", () => {
  const penalties = new Penalties({ min: 0 });
  const address = (at: number) => `10.${at >> 16 & 255}.${at >> 8 & 255}.${at & 255}`;
  penalties.add("192.0.2.1", "graceExceeded", 0);
  penalties.add("192.0.2.2", "noAuth", 0);
  for (let at = 2; at < MAX_PENALIZED_SOURCES; at++) penalties.add(address(at), "authFail", 0);
  penalties.add("192.0.2.3", "noAuth", 1_000);
  assert(penalties.refuses("192.0.2.1", 1_000));
  // Each new penalty moves its source to the end of the eviction order.
  penalties.add("192.0.2.1", "noAuth", 1_000);
  penalties.add("192.0.2.4", "noAuth", 1_000);
  penalties.add("192.0.2.5", "noAuth", 1_000);
  assert(penalties.refuses("192.0.2.1", 1_000));
  assert(!penalties.refuses(address(2), 1_000));
});

Deno.test("Penalties keep a limited number of sources, the latest ones", () => {
  const penalties = new Penalties({ min: 0 });
  const address = (at: number) => `10.${at >> 16 & 255}.${at >> 8 & 255}.${at & 255}`;
  for (let at = 0; at <= MAX_PENALIZED_SOURCES; at++) penalties.add(address(at), "noAuth", 0);
  assert(!penalties.refuses(address(0), 0));
  assert(penalties.refuses(address(1), 0));
  assert(penalties.refuses(address(MAX_PENALIZED_SOURCES), 0));
});

Deno.test("An IPv6 network is refused at the maximum sum, if that is less than its own minimum", () => {
  const penalties = new Penalties({ max: 30_000 });
  for (let at = 1; at <= 6; at++) {
    assert(!penalties.refuses("2001:db8::ffff", 0), `${at}`);
    penalties.add(`2001:db8::${at}`, "authFail", 0);
  }
  assert(penalties.refuses("2001:db8::ffff", 0));
  assert(!penalties.refuses("2001:db8::ffff", 30_000));
});

Deno.test("A refusal of a network is reported once for each, with its time", () => {
  const penalties = new Penalties({ noAuth: 20_000 });
  for (const address of ["2001:db8::1", "2001:db8::2", "2001:db8::3"]) {
    penalties.add(address, "noAuth", 0);
    assertEquals(penalties.untold(address, 0), 20_000);
    assertEquals(penalties.untold(address, 0), null);
  }
  assertEquals(penalties.untold("2001:db8::4", 1), 59_999);
  assertEquals(penalties.untold("2001:db8::5", 1), null);
});

Deno.test("An address that is unknown is one source, like any other", () => {
  const penalties = new Penalties({ min: 1_000 });
  penalties.add("", "noAuth", 0);
  assert(penalties.refuses("", 0) && !penalties.refuses("192.0.2.1", 0));
});

Deno.test("A penalty that is undefined is the default", () => {
  const undefinedOnes = { authFail: undefined, min: undefined, max: undefined, exempt: undefined };
  const penalties = new Penalties(undefinedOnes as unknown as PenaltyOptions);
  for (let i = 0; i < 200; i++) penalties.add("192.0.2.1", "authFail", 0);
  assert(penalties.refuses("192.0.2.1", 599_999));
  assert(!penalties.refuses("192.0.2.1", 600_000));
});
