/** A server's metrics. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type AuthMethod, connect, none, password, SshError } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import type { ServeOptions } from "@denossh/ssh/server";
import { runtime } from "../../lib/runtime/runtime.ts";
import { measure } from "../../lib/server/server_metrics.ts";
import type { Socket } from "../../lib/transport/socket.ts";
import { until } from "../connection/until.ts";
import { serveInMemory } from "../support/fake_listener.ts";
import { FakeTime } from "../support/fake_time.ts";
import { replaced } from "../support/replaced.ts";

const API = Symbol.for("opentelemetry.js.api.1");
type Callback = (result: { observe(value: number): void }) => void;

/** A provider that records its metrics, until it is disposed. */
class Provider implements Disposable {
  readonly sums = new Map<string, number>();
  readonly records = new Map<string, number[]>();
  readonly gauges = new Map<string, Set<Callback>>();
  readonly units = new Map<string, string>();
  readonly #before = Reflect.get(globalThis, API);

  constructor() {
    const described = (name: string, { unit }: { unit: string }) => this.units.set(name, unit);
    const getMeter = () => ({
      createCounter: (name: string, options: { unit: string }) => {
        described(name, options);
        return {
          add: (value: number, attributes: Record<string, string> = {}) => {
            assertEquals(typeof value, "number");
            const key = [name, ...Object.values(attributes)].join(" ");
            this.sums.set(key, (this.sums.get(key) ?? 0) + value);
          },
        };
      },
      createHistogram: (name: string, options: { unit: string }) => {
        described(name, options);
        const values: number[] = [];
        this.records.set(name, values);
        return { record: (value: number) => values.push(value) };
      },
      createObservableGauge: (name: string, options: { unit: string }) => {
        described(name, options);
        const callbacks = new Set<Callback>();
        this.gauges.set(name, callbacks);
        return {
          addCallback: (callback: Callback) => callbacks.add(callback),
          removeCallback: (callback: Callback) => callbacks.delete(callback),
        };
      },
    });
    Reflect.set(globalThis, API, { version: "1.9.0", metrics: { getMeter } });
  }

  /** A gauge's current value. */
  read(name: string): number[] {
    const values: number[] = [];
    for (const callback of this.gauges.get(name)!) callback({ observe: (v) => values.push(v) });
    return values;
  }

  [Symbol.dispose](): void {
    Reflect.set(globalThis, API, this.#before);
  }
}

const hostKey = await generateKey("ed25519");
const options = {
  hostKeys: [hostKey],
  auth: { none: (user) => user === "ann", password: () => false },
} satisfies ServeOptions;

Deno.test("A server's connections, channels, logins and bytes are measured", async () => {
  using provider = new Provider();
  {
    await using server = serveInMemory(
      { ...options, maxStartupsPerSource: 1 },
      (session) => session.print("x".repeat(100_000)),
    );
    const login = (user: string, ...auth: AuthMethod[]) =>
      connect({
        transport: server.dial("192.0.2.1"),
        user,
        auth,
        hostKeys: hostKey.publicKey,
        config: false,
      });
    assertEquals(provider.read("ssh.server.connections"), [0]);
    const host = await login("ann", none());
    await host.run("x");
    await using _channel = await host.openSession();
    assertEquals(provider.read("ssh.server.connections"), [1]);
    assertEquals(provider.read("ssh.server.channels"), [1]);
    await assertRejects(() => login("bob", password("x")), SshError);
    await until(() => server.server.connections === 1);
    const waiting = server.dial("192.0.2.1");
    const other = server.dial("192.0.2.1");
    assertEquals(
      (await other.readable.getReader().read().catch(() => ({ done: true }))).done,
      true,
    );
    await waiting.readable.cancel().catch(() => {});
    await waiting.writable.abort().catch(() => {});
    await host.close();
    await until(() => server.server.connections === 0);
    assertEquals(provider.read("ssh.server.connections"), [0]);
    const outcome = (name: string) => provider.sums.get(`ssh.server.logins ${name}`) ?? 0;
    assertEquals(["accepted", "authFail", "noAuth", "refused"].map(outcome), [1, 1, 1, 1]);
    assert(provider.sums.get("ssh.server.io transmit")! > 100_000);
    assert(provider.sums.get("ssh.server.io receive")! > 1_000);
  }
  assertEquals(provider.read("ssh.server.connections"), []);
  assertEquals(Object.fromEntries(provider.units), {
    "ssh.server.logins": "{login}",
    "ssh.server.io": "By",
    "ssh.server.connections": "{connection}",
    "ssh.server.channels": "{channel}",
    "ssh.server.event_loop.delay": "s",
  });
});

Deno.test("The event loop delay is the delay of timers by work", async () => {
  using provider = new Provider();
  using time = new FakeTime();
  await using _server = serveInMemory(options);
  const delays = provider.records.get("ssh.server.event_loop.delay")!;
  await time.advance(1_000);
  assertEquals(delays, [0, 0]);
  time.skip(800); // work
  await time.advance(0);
  assert(Math.abs(delays[2]! - 0.3) < 1e-9, `${delays}`);
});

Deno.test("Metrics do not keep the process alive, and end with the server", () => {
  using _provider = new Provider();
  using time = new FakeTime();
  const unrefed: unknown[] = [];
  using _seam = replaced(runtime, "unrefTimer", (timer) => void unrefed.push(timer));
  {
    using _metrics = measure({ connections: 0, channels: 0 });
    assertEquals([unrefed.length, time.timers], [1, 1]);
  }
  assertEquals(time.timers, 0);
});

Deno.test("A server whose onListen throws is not measured", () => {
  using provider = new Provider();
  using time = new FakeTime();
  const error = new Error("a mistake");
  const onListen = () => {
    throw error;
  };
  assertEquals(assertThrows(() => serveInMemory({ ...options, onListen })), error);
  assertEquals([time.timers, provider.read("ssh.server.connections")], [0, []]);
});

Deno.test("Bytes are counted once they are written, and a socket that fails counts none", async () => {
  using provider = new Provider();
  using metrics = measure({ connections: 0, channels: 0 });
  const gate = Promise.withResolvers<void>();
  const writes = [gate.promise, Promise.reject(new Error("broken"))];
  writes[1]!.catch(() => {});
  const socket: Socket = {
    read: (into) => Promise.resolve(into.length === 0 ? null : 3),
    write: () => writes.shift()!,
    closeWrite: () => {},
    close: () => {},
    localAddr: null,
    remoteAddr: null,
  };
  const counted = metrics.counted(socket);
  const writing = counted.write(new Uint8Array(5));
  assertEquals(provider.sums.get("ssh.server.io transmit"), undefined);
  gate.resolve();
  await writing;
  await assertRejects(() => counted.write(new Uint8Array(7)), Error, "broken");
  assertEquals([await counted.read(new Uint8Array(4)), await counted.read(new Uint8Array(0))], [
    3,
    null,
  ]);
  assertEquals(provider.sums.get("ssh.server.io transmit"), 5);
  assertEquals(provider.sums.get("ssh.server.io receive"), 3);
});

Deno.test("Without a collector nothing is measured", async () => {
  using time = new FakeTime();
  await using _server = serveInMemory(options);
  assertEquals(time.timers, 0);
});
