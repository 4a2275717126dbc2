import { assertEquals, assertThrows } from "@std/assert";
import { fleet, type FleetOptions } from "@denossh/ssh";

const wrong: [() => unknown, string][] = [
  [() => fleet("web1" as never), 'must be an array such as ["web1"], not the text "web1"'],
  [() => fleet([5] as never), "a host must be text or options, not 5"],
  [() => fleet(["a b"]), 'Cannot parse "a b"'],
  [() => fleet(["a", "a"]), 'the host "a" is given twice'],
  [() => fleet([{ user: "ann" }]), "a host without hostname needs a name"],
  [
    () => fleet([{ hostname: "a", usr: "b" } as never]),
    'connect() has no option "usr": it may be "user"',
  ],
  [() => fleet([], { parallel: 4 } as never), 'fleet() has no option "parallel"'],
  [() => fleet([], { concurrency: 0 }), "concurrency must be a number of at least 1, not 0"],
  [() => fleet([], { connect: { timeout: "5s" } } as never), "timeout must be a number"],
  [() => fleet([], { connect: "root" } as never), "connect must be"],
  [() => fleet([]).run(5 as never), "the command must be text"],
  [() => fleet([]).run("x", { input: new Blob().stream() }), "can be read by one host only"],
  [() => fleet([]).run("x", { stdin: "inherit" }), "can be read by one host only"],
  [() => fleet([]).run("x", { onLines: () => {} } as never), 'run() has no option "onLines"'],
  [() => fleet([]).put(new Blob().stream() as never, "/x"), "a stream could be read once only"],
  [() => fleet([]).get("/x", null as never), "a folder, or a function"],
  [() => fleet([]).forEach("x" as never), "the work must be a function"],
];
for (const [call, expected] of wrong) {
  Deno.test(`fleet() refuses invalid options: ${expected}`, () => {
    assertThrows(call, TypeError, expected);
  });
}

Deno.test("Results have the host names as they were given", () => {
  const hosts = ["web1", { hostname: "db" }, { user: "ann", hostname: "db", port: 2222 }, {
    name: "cache",
  }];
  assertEquals(fleet(hosts).hosts, ["web1", "db", "ann@db:2222", "cache"]);
});

/** Values that each option accepts, and values that it refuses. */
const VALUES: Record<keyof FleetOptions, [good: unknown[], bad: unknown[]]> = {
  connect: [[{}, () => {}, { user: "ann" }], ["root", null, 1, { usr: "ann" }]],
  concurrency: [[1, 1.5, Infinity], [0, 0.9, -1, NaN, "2", null]],
  timeout: [[0, 1], [-1, "1m", null]],
  retries: [[0, 5], [-1, "2", NaN, null]],
  retryDelay: [[0, 5], [-1, "2s", null]],
  maxRetryDelay: [[0, 5], [-1, "2s", null]],
  retryIf: [[() => true], [true, {}, null]],
  onRetry: [[() => {}], [true, {}, null]],
  signal: [[new AbortController().signal], [{}, true, null]],
};
for (const [name, [good, bad]] of Object.entries(VALUES)) {
  Deno.test(`The option ${name} of a fleet accepts valid values only`, () => {
    for (const value of [undefined, ...good]) fleet([], { [name]: value });
    for (const value of bad) {
      assertThrows(() => fleet([], { [name]: value }), TypeError, undefined, String(value));
    }
  });
}

Deno.test("Hosts may be any iterable, and are text or options", () => {
  assertEquals(fleet(new Set(["a", "b"])).hosts, ["a", "b"]);
  assertEquals(fleet([]).hosts, []);
  for (const hosts of ["web1", 5, null, undefined, { hostname: "a" }]) {
    assertThrows(() => fleet(hosts as never), TypeError, "hosts must be an array");
  }
  for (const host of [null, undefined, 5, true]) {
    assertThrows(() => fleet([host] as never), TypeError, "a host must be text or options");
  }
  assertThrows(() => fleet([{ name: "a" }, "a"]), TypeError, "given twice");
  assertThrows(() => fleet([{ hostname: "a" }, "a"]), TypeError, "given twice");
});

Deno.test("A host's name is its own, or made of user, hostname and port", () => {
  const hosts = [
    { name: "one", hostname: "a", user: "u", port: 1 },
    { hostname: "a", port: 22 },
    { hostname: "a", user: "u" },
    { name: "" },
    "u@[::1]:22",
  ];
  assertEquals(fleet(hosts).hosts, ["one", "a:22", "u@a", "", "u@[::1]:22"]);
});
