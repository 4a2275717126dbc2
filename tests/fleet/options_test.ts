import { assertEquals, assertThrows } from "@std/assert";
import { fleet } from "@denossh/ssh";

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
