/** The options of `serve()` and `serveStreams()` are checked when it is called. */
import { assertEquals, assertThrows } from "@std/assert";
import { generateKey } from "@denossh/ssh/keys";
import { serve, type ServeOptions, serveStreams } from "@denossh/ssh/server";
import { memoryPair } from "@denossh/ssh/testing";
import { checkServeOptions } from "../../lib/server/checks.ts";

const hostKey = await generateKey("ed25519");
const usual = { hostKeys: [hostKey], auth: { none: () => true } } satisfies ServeOptions;
const run = () => {};

/** Values that each option accepts, and values that it refuses. */
const VALUES: Record<keyof ServeOptions, [good: unknown[], bad: unknown[]]> = {
  port: [[0, 22, 65_535], ["22", -1, 65_536, 1.5, NaN, null]],
  hostname: [["", "::"], [1, null]],
  hostKeys: [[[], [hostKey]], [hostKey, ["host_key"], [hostKey, {}], [null], "host_key"]],
  auth: [[{}], [true, null, run]],
  sftp: [[{}, run], [true, null, "/srv"]],
  subsystems: [[{}, { sftp: run }], [run, null, { sftp: "/usr/lib/sftp-server" }, {
    sftp: run,
    other: null,
  }]],
  pty: [[true, false], [0, "no", null]],
  forward: [[{}], [true, null, run]],
  algorithms: [["strict", {}, { kex: "a,b" }, { mac: ["a"] }], ["all", { kexs: "a" }, { kex: 1 }]],
  loginGraceTime: [[0, 0.5, Infinity], [-1, "2m", NaN, null]],
  maxAuthTries: [[0, 6], [-1, "6", NaN, null]],
  maxStartups: [[{}, { begin: 0, rate: 100, full: 1 }], [
    10,
    "10:30:100",
    null,
    { begin: "1" },
    {
      rate: -1,
    },
    { full: NaN },
    { fill: 1 },
  ]],
  maxStartupsPerSource: [[0, Infinity], [-1, "1", null]],
  penalties: [
    [false, {}, { authFail: 0, invalidUser: 1, noAuth: 2, graceExceeded: 3, min: 4, max: 5 }, {
      exempt: "10.0.0.0/8",
    }],
    [
      true,
      null,
      "no",
      { authfail: 1 },
      { exempt: ["::1"] },
      ...[
        ...["authFail", "invalidUser", "noAuth", "graceExceeded", "min", "max"],
      ].map((name) => ({ [name]: "5s" })),
    ],
  ],
  maxSessions: [[0, 10], [-1, "10", null]],
  keepaliveInterval: [[0, 1], [-1, "1m", null]],
  keepaliveCount: [[0, 3], [-1, "3", null]],
  tcpKeepAlive: [[true, false], [1, "yes", null]],
  idleTimeout: [[0, 1], [-1, "1m", null]],
  unusedConnectionTimeout: [[0, 1], [-1, "1m", null]],
  maxSessionTime: [[0, 1], [-1, "1h", null]],
  channelTimeouts: [[{}, { session: 0, global: 5 }], [5, null, { session: "5m" }, {
    session: 1,
    x11: -1,
  }]],
  rekey: [[{}, { bytes: 1 }], [1, "1G", null]],
  window: [[4096, {}], []],
  proxies: [["10.0.0.0/8"], [["10.0.0.0/8"], true, null]],
  reusePort: [[true, false], [1, "yes", null]],
  signal: [[new AbortController().signal], [{}, true, new AbortController()]],
  onListen: [[run], [true, {}, null]],
  onConnection: [[run], [true, {}, null]],
  onAttempt: [[run], [true, {}, null]],
  onError: [[run], [true, {}, null]],
  trace: [[run], [true, {}, null]],
};

for (const [name, [good, bad]] of Object.entries(VALUES)) {
  Deno.test(`The option ${name} of a server accepts valid values only`, () => {
    const check = (value: unknown) => checkServeOptions("serve()", { ...usual, [name]: value });
    for (const value of good) check(value);
    if (Object.hasOwn(usual, name)) bad.push(undefined);
    else check(undefined);
    for (const value of bad) assertThrows(() => check(value), TypeError, name, String(value));
  });
}

Deno.test("serve() and serveStreams() check their options before they do anything", () => {
  let read = false;
  const streams = {
    get readable(): never {
      read = true;
      throw new Error("it is taken over too early");
    },
    get writable(): never {
      return this.readable;
    },
  };
  const wrong: [Partial<ServeOptions>, string][] = [
    [{ idleTimeOut: 1 } as never, 'has no option "idleTimeOut": it may be "idleTimeout"'],
    [{ hostKeys: [] }, "A server needs a host key"],
    [{ auth: {} }, "offers no method"],
    [{ algorithms: { hostKey: "rsa-sha2-512" } }, "No host key fits"],
  ];
  for (const [options, expected] of wrong) {
    const all = { ...usual, ...options };
    assertThrows(() => serve({ ...all, port: 0 }), TypeError, expected);
    assertThrows(() => serveStreams(memoryPair()[1], all), TypeError, expected);
  }
  assertThrows(() => serveStreams(streams, { ...usual, pty: 1 } as never), TypeError, "pty");
  assertEquals(read, false);
});
