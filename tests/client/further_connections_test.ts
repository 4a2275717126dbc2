/** Further connections are opened in turn, forgotten when they end, and closed together. */
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import type { Channel } from "../../lib/connection/channel.ts";
import { AuthError, ClosedError } from "../../lib/errors.ts";
import { type FurtherClient, FurtherConnections } from "../../lib/client/further_connections.ts";
import { turn } from "../sftp/world.ts";

/** One that is being opened, or was. */
class FakeClient implements FurtherClient {
  readonly ended: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly closed: Promise<void> = this.ended.promise;
  readonly connected: PromiseWithResolvers<FurtherClient> = Promise.withResolvers();
  readonly closing: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly signal: AbortSignal;
  closes = 0;

  constructor(signal: AbortSignal) {
    this.signal = signal;
  }

  openSession(): Promise<Channel> {
    return Promise.resolve(this as unknown as Channel);
  }

  close(): Promise<void> {
    this.closes++;
    return this.closing.promise;
  }
}

function world(count: number) {
  const clients: FakeClient[] = [];
  const connections = new FurtherConnections({
    count,
    again: (signal) => {
      const client = new FakeClient(signal);
      clients.push(client);
      return client.connected.promise;
    },
  });
  /** The client that has the next channel; null if that is the first one. */
  const open = (signal?: AbortSignal) =>
    connections.open((client) => client.openSession(), signal) as Promise<unknown> as Promise<
      FakeClient | null
    >;
  return { clients, connections, open };
}

Deno.test("channels that are opened while a connection is being opened wait for it", async () => {
  const { clients, connections, open } = world(1);
  assertEquals(connections.count, 2);
  const opening = open();
  assertEquals(await open(), null); // the turn of the first connection
  const third = open();
  assertEquals(clients.length, 1);
  clients[0]!.connected.resolve(clients[0]!);
  assert(await opening === clients[0] && await third === clients[0]);
});

Deno.test("a connection that fails or ends with an error is opened again when it is needed", async () => {
  const { clients, open } = world(1);
  const failing = open();
  clients[0]!.connected.reject(new Error("refused"));
  await assertRejects(() => failing, Error, "refused");
  await turn();
  const opening = open();
  assertEquals(clients.length, 2);
  clients[1]!.connected.resolve(clients[1]!);
  assert(await opening === clients[1]);
  clients[1]!.ended.reject(new Error("cut"));
  await turn();
  const again = open();
  clients[2]!.connected.resolve(clients[2]!);
  assert(await again === clients[2]);
});

Deno.test("a refused login is not repeated, and open connections are still used", async () => {
  const { clients, open } = world(2);
  const [opening, refused] = [open(), open()];
  clients[0]!.connected.resolve(clients[0]!);
  await opening;
  clients[1]!.connected.reject(new AuthError("no more logins"));
  await assertRejects(() => refused, AuthError);
  await turn();
  for (let i = 0; i < 3; i++) {
    assertEquals(await open(), null); // the turn of the first connection
    assert(await open() === clients[0]);
    await assertRejects(() => open(), AuthError, "no more logins");
  }
  clients[0]!.ended.resolve();
  await turn();
  for (let i = 0; i < 3; i++) await assertRejects(() => open(), AuthError, "no more logins");
  assertEquals(clients.length, 2);
});

Deno.test("an abort ends the wait for a connection, which stays for later channels", async () => {
  const { clients, open } = world(1);
  const abort = new AbortController();
  const opening = assertRejects(() => open(abort.signal), Error, "enough");
  abort.abort(new Error("enough"));
  await opening;
  assertEquals([await open(), clients[0]!.signal.aborted], [null, false]);
  clients[0]!.connected.resolve(clients[0]!);
  assert(await open() === clients[0]);
  assertEquals(clients.length, 1);
});

Deno.test("close() waits until all have been closed, and cancels one that is being opened", async () => {
  const { clients, connections, open } = world(3);
  const first = open();
  clients[0]!.connected.resolve(clients[0]!);
  await first;
  const second = open();
  assertEquals(clients[1]!.signal.aborted, false);
  let done = 0;
  const closing = [connections.close().then(() => done++), connections.close().then(() => done++)];
  const { aborted, reason } = clients[1]!.signal;
  assertInstanceOf(reason, ClosedError);
  assert(aborted);
  await turn();
  assertEquals([clients[0]!.closes > 0, done], [true, 0]);
  clients[0]!.closing.resolve();
  await turn();
  assertEquals(done, 0); // the second one has not failed yet
  clients[1]!.connected.reject(reason);
  await Promise.all(closing);
  await assertRejects(() => second, ClosedError);
  assertEquals([await open(), clients.length], [null, 2]);
});

Deno.test("a connection that is there too late is closed, and close() waits for that", async () => {
  const { clients, connections, open } = world(1);
  const opening = open();
  let isClosed = false;
  const closing = connections.close().then(() => isClosed = true);
  clients[0]!.connected.resolve(clients[0]!);
  await opening;
  await turn();
  assertEquals([clients[0]!.closes, isClosed], [1, false]);
  clients[0]!.closing.resolve();
  await closing;
});
