/** TCP connects to a host, on a scripted network. */
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { memoryPair } from "@denossh/ssh/testing";
import { ConnectError } from "../../lib/errors.ts";
import { dialHost, type TcpOptions } from "../../lib/login/tcp.ts";
import { denoNet } from "../../lib/runtime/deno_net.ts";
import type { Net } from "../../lib/runtime/net.ts";
import { connOf } from "../support/fake_listener.ts";
import { FakeTime } from "../support/fake_time.ts";

type Connect = Parameters<Net["connect"]>[0];

/** A network instead of the system's, until it is disposed. */
class Network implements Disposable {
  /** The dialled addresses, in order. */
  readonly dialled: string[] = [];
  readonly lookups: [string, number][] = [];
  readonly from: [string, boolean][] = [];
  readonly keepAlive: boolean[] = [];
  /** The addresses of names. */
  addresses: string[] = [];
  /** The error of a connect to an address; null if it succeeds. */
  fails: (hostname: string, options: Connect) => Error | null | Promise<Error | null> = () => null;
  readonly #before = { ...denoNet };

  constructor() {
    const connect = async (options: Connect) => {
      this.dialled.push(`${options.hostname} ${options.port}`);
      const error = await this.fails(options.hostname, options);
      if (error) throw error;
      return memoryPair()[0];
    };
    denoNet.connect = async (options) => {
      const conn = connOf(await connect(options), { transport: "tcp", ...options });
      return Object.assign(conn, {
        setKeepAlive: (on: boolean) => void this.keepAlive.push(on),
        setNoDelay() {},
      }) as unknown as Deno.TcpConn;
    };
    denoNet.connectFrom = async (localAddress, { keepAlive, ...options }) => {
      this.from.push([localAddress, keepAlive]);
      return await connect(options);
    };
    denoNet.lookup = (hostname, family) => {
      this.lookups.push([hostname, family]);
      if (this.addresses.length === 0) return Promise.reject(new Error("no such host"));
      return Promise.resolve(this.addresses);
    };
  }

  [Symbol.dispose](): void {
    Object.assign(denoNet, this.#before);
  }
}

const host = { hostname: "db1", port: 2222 };
const refused = () => new Deno.errors.ConnectionRefused("refused\x07");

async function dial(options: TcpOptions = {}, signal = new AbortController().signal) {
  (await dialHost(host, options, signal)).close();
}

Deno.test("A host is dialled once by name, and the system resolves it", async () => {
  using network = new Network();
  await dial();
  await dial({ keepAlive: false, family: "any" });
  assertEquals(network.dialled, ["db1 2222", "db1 2222"]);
  assertEquals(network.keepAlive, [true, false]);
  assertEquals([network.lookups, network.from], [[], []]);
});

Deno.test("An unreachable host is a ConnectError with the reason, after one attempt", async () => {
  using network = new Network();
  network.fails = refused;
  const error = await assertRejects(
    () => dial(),
    ConnectError,
    "Cannot connect to db1 port 2222: refused",
  );
  assert(error.cause instanceof Deno.errors.ConnectionRefused);
  assertEquals(network.dialled.length, 1);
});

Deno.test("ConnectionAttempts sets the number of attempts, a second apart", async () => {
  using time = new FakeTime();
  using network = new Network();
  const times: number[] = [];
  network.fails = () => (times.push(time.now), times.length < 3 ? refused() : null);
  await time.settle(dial({ attempts: 5 }));
  assertEquals(times, [0, 1_000, 2_000]);
  times.length = 0;
  network.fails = () => (times.push(time.now), refused());
  await time.settle(assertRejects(() => dial({ attempts: 2 }), ConnectError, "refused"));
  assertEquals(times, [2_000, 3_000]);
});

Deno.test("A missing permission is not retried, and its error is kept", async () => {
  using network = new Network();
  const missing = new Deno.errors.NotCapable("Requires net access");
  network.fails = () => missing;
  network.addresses = ["192.0.2.1", "192.0.2.2"];
  for (const options of [{ attempts: 3 }, { family: "inet" }, { localAddress: "192.0.2.9" }]) {
    network.dialled.length = 0;
    const error = await assertRejects(() => dial(options as TcpOptions));
    assertStrictEquals(error, missing);
    assertEquals(network.dialled.length, 1);
  }
});

for (const [family, number] of [["inet", 4], ["inet6", 6]] as const) {
  Deno.test(`With AddressFamily ${family} the addresses of that family are tried in order`, async () => {
    using network = new Network();
    network.addresses = ["a", "b", "c"];
    network.fails = (hostname) => hostname === "b" ? null : refused();
    await dial({ family });
    assertEquals(network.lookups, [["db1", number]]);
    assertEquals(network.dialled, ["a 2222", "b 2222"]);
    network.fails = refused;
    await assertRejects(() => dial({ family }), ConnectError, "Cannot connect to c port 2222");
    assertEquals(network.dialled.slice(2), ["a 2222", "b 2222", "c 2222"]);
  });
}

Deno.test("A name without an address of the family is a ConnectError", async () => {
  using network = new Network();
  await assertRejects(() => dial({ family: "inet" }), ConnectError, "port 2222: no such host");
  denoNet.lookup = () => Promise.resolve([]);
  await assertRejects(() => dial({ family: "inet" }), ConnectError, "no address of that family");
  assertEquals(network.dialled, []);
});

Deno.test("A local address is used for each address of the name", async () => {
  using network = new Network();
  network.addresses = ["a", "b"];
  network.fails = (hostname) => hostname === "a" ? refused() : null;
  await dial({ localAddress: "192.0.2.9" });
  await dial({ localAddress: "192.0.2.9", keepAlive: false, family: "inet6" });
  assertEquals(network.from.map(String), [
    "192.0.2.9,true",
    "192.0.2.9,true",
    "192.0.2.9,false",
    "192.0.2.9,false",
  ]);
  assertEquals(network.lookups, [["db1", 0], ["db1", 6]]);
});

Deno.test("An abort ends dialling with its reason, at once or while it waits", async () => {
  using time = new FakeTime();
  using network = new Network();
  const reason = new Error("enough");
  for (const options of [{}, { localAddress: "192.0.2.9" }]) {
    network.addresses = ["a"];
    const before = network.dialled.length;
    assertStrictEquals(await assertRejects(() => dial(options, AbortSignal.abort(reason))), reason);
    assertEquals(network.dialled.length, before);
    const controller = new AbortController();
    network.fails = (_hostname, { signal }) => {
      assertStrictEquals(signal, controller.signal);
      controller.abort(reason);
      return new Deno.errors.Interrupted("aborted");
    };
    assertStrictEquals(await assertRejects(() => dial(options, controller.signal)), reason);
  }
  const controller = new AbortController();
  network.fails = refused;
  const waiting = assertRejects(() => dial({ attempts: 2 }, controller.signal));
  await time.advance(500);
  controller.abort(reason);
  assertStrictEquals(await waiting, reason);
});
