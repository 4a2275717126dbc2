/** Selects the secret for a display from an Xauthority file, like Xlib. */
import { assertEquals, assertRejects } from "@std/assert";
import {
  type AuthorityEntry,
  chooseAuthority,
  decodeAuthorities,
  encodeAuthority,
  findAuthority,
  WILD,
} from "../../lib/forward/x11_authority.ts";
import { parseDisplay } from "../../lib/forward/x11_display.ts";
import { encode } from "./world.ts";
import { fakeEnv } from "../support/fake_env.ts";
import { replaced } from "../support/replaced.ts";
import { tempFolder } from "../support/temp.ts";

const LOCAL = 256;
const INTERNET = 0;
const INTERNET6 = 6;

function entry(of: Partial<AuthorityEntry>): AuthorityEntry {
  const usual = { family: LOCAL, address: encode("box"), number: "0" };
  return { ...usual, protocol: "MIT-MAGIC-COOKIE-1", data: Uint8Array.of(1, 2), ...of };
}

const v4 = { family: INTERNET, address: Uint8Array.of(192, 0, 2, 1) };
const v6 = {
  family: INTERNET6,
  address: Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
};
const choices: [string, string, Partial<AuthorityEntry>, boolean][] = [
  ["a unix socket of this machine", ":0", {}, true],
  ["a unix socket, by another machine's entry", ":0", { address: encode("other") }, false],
  ["another number", ":1", {}, false],
  ["every number", ":1", { number: "" }, true],
  ["a number that begins alike", ":1", { number: "10" }, false],
  ["every address", "db:0", { family: WILD, address: new Uint8Array(0) }, true],
  ["every address, of another number", "db:1", { family: WILD }, false],
  ["another protocol", ":0", { protocol: "XDM-AUTHORIZATION-1" }, false],
  ["another protocol of every address", ":0", { family: WILD, protocol: "SUN-DES-1" }, false],
  ["localhost, which is this machine", "localhost:0", {}, true],
  ["127.0.0.1, which is this machine", "127.0.0.1:0", {}, true],
  ["127.1.2.3, which is this machine", "127.1.2.3:0", {}, true],
  ["::1, which is this machine", "[::1]:0", {}, true],
  ["localhost, by its address", "127.0.0.1:0", {
    family: INTERNET,
    address: Uint8Array.of(127, 0, 0, 1),
  }, false],
  ["a name that only begins like localhost", "localhost2:0", {}, false],
  ["a name that ends like an address", "x127.0.0.1:0", {}, false],
  ["an IPv4 address", "192.0.2.1:0", v4, true],
  ["another IPv4 address", "192.0.2.2:0", v4, false],
  ["an IPv6 address, in another spelling", "[2001:db8:0::1]:0", v6, true],
  ["another IPv6 address", "[2001:db8::2]:0", v6, false],
  ["an IPv6 entry for a name", "db:0", v6, false],
  ["an IPv6 entry that is cut off", "[2001:db8::1]:0", {
    ...v6,
    address: v6.address.subarray(0, 8),
  }, false],
  ["an IPv6 entry that is cut off, for a name", "db:0", {
    ...v6,
    address: v6.address.subarray(0, 8),
  }, false],
  ["an empty IPv6 entry", "db:0", { ...v6, address: new Uint8Array(0) }, false],
  ["another machine's name", "db:0", { address: encode("db") }, true],
  ["another machine's name of another family", "db:0", { family: 9, address: encode("db") }, false],
];
for (const [what, display, of, expected] of choices) {
  Deno.test(`A secret for ${what} is ${expected ? "" : "not "}used for ${display}`, () => {
    const found = chooseAuthority([entry(of)], parseDisplay(display), "box");
    assertEquals(
      found,
      expected ? { protocol: "MIT-MAGIC-COOKIE-1", data: Uint8Array.of(1, 2) } : null,
    );
  });
}

Deno.test("A secret may be empty, and the last of its file", () => {
  const last = entry({ data: new Uint8Array(0) });
  assertEquals(decodeAuthorities(encodeAuthority(last)), [last]);
});

Deno.test("A truncated entry and what follows it is not used", () => {
  const [one, two] = [entry({}), entry({ number: "10", address: encode("other") })];
  const [first, second] = [one, two].map(encodeAuthority);
  const file = Uint8Array.of(1, 2, 3, ...first!, ...second!);
  const bytes = file.subarray(3); // not at the start of its memory
  assertEquals(decodeAuthorities(bytes), [one, two]);
  for (let length = 0; length < bytes.length; length++) {
    const expected = length < first!.length ? [] : [one];
    assertEquals(decodeAuthorities(bytes.subarray(0, length)), expected, `${length} bytes`);
  }
  // The rest of an entry that is too long would be one for every address.
  const wild = encodeAuthority(entry({ family: WILD }));
  assertEquals(decodeAuthorities(Uint8Array.of(0, 0, ...wild)), []);
});

Deno.test("The first matching secret is used", () => {
  const entries = [
    entry({ address: encode("other"), data: Uint8Array.of(1) }),
    entry({ data: Uint8Array.of(2) }),
    entry({ data: Uint8Array.of(3) }),
  ];
  assertEquals(chooseAuthority(entries, parseDisplay(":0"), "box")?.data, Uint8Array.of(2));
  assertEquals(chooseAuthority([], parseDisplay(":0"), "box"), null);
});

Deno.test("Secrets are read from the file in XAUTHORITY, otherwise from the home folder", async () => {
  await using folder = await tempFolder();
  const display = parseDisplay(":7");
  const write = (name: string, byte: number, padding = 0) => {
    const file = entry({ family: WILD, number: "7", data: Uint8Array.of(byte) });
    const entryBytes = encodeAuthority(file);
    const bytes = new Uint8Array(entryBytes.length + padding).fill(0xff);
    bytes.set(entryBytes);
    return Deno.writeFile(folder.join(name), bytes);
  };
  await write(".Xauthority", 1);
  await write("other", 2);
  const HOME = folder.path;
  const found = async () => (await findAuthority(display))?.data[0] ?? null;
  {
    using _env = fakeEnv({ HOME, XAUTHORITY: undefined });
    assertEquals(await found(), 1);
  }
  {
    using _env = fakeEnv({ HOME, XAUTHORITY: folder.join("other") });
    assertEquals(await found(), 2);
  }
  {
    using _env = fakeEnv({ HOME, XAUTHORITY: folder.join("none") });
    assertEquals(await found(), null);
  }
  {
    using _env = fakeEnv({ HOME: undefined, XAUTHORITY: undefined });
    using _stat = replaced(Deno, "stat", () => Promise.reject(new Error("no file is looked for")));
    assertEquals(await found(), null);
  }
  {
    using _env = fakeEnv({ HOME, XAUTHORITY: "" });
    assertEquals(await found(), null, "as in Xlib");
  }
  {
    using _env = fakeEnv({ HOME, XAUTHORITY: folder.path });
    const error = await assertRejects(found, Error);
    assertEquals(error instanceof TypeError, false, "the system's own error");
  }
  const size = encodeAuthority(entry({ family: WILD, number: "7", data: Uint8Array.of(0) })).length;
  await write("large", 3, 1024 * 1024 - size);
  {
    using _env = fakeEnv({ XAUTHORITY: folder.join("large") });
    assertEquals(await found(), 3);
  }
  await write("large", 3, 1024 * 1024 - size + 1);
  using _env = fakeEnv({ XAUTHORITY: folder.join("large") });
  assertEquals(await found(), null);
});
