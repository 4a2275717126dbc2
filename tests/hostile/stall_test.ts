import { assert, assertEquals, assertRejects } from "@std/assert";
import { acceptAnyHostKey, connect, ConnectError, password } from "@denossh/ssh";
import { startVictim } from "./hostile.ts";
import { dialRaw, listenRaw, type RawPeer } from "../support/raw_peer.ts";
import { within } from "../support/within.ts";
import { STALLS } from "./stall_attacks.ts";

const LIMIT_MS = 400;

for (const stall of STALLS) {
  Deno.test(`Our server hangs up at its login deadline on ${stall.name}`, async () => {
    await using victim = await startVictim({ loginGraceTime: LIMIT_MS });
    await using peer = await dialRaw(victim.server.addr.port);
    await Promise.all([stall.run(peer, "client"), peer.collect()]);
    await victim.failed(1);
    assertEquals(victim.errors.map(String), [
      `ConnectError: No login within ${LIMIT_MS} ms [timeout]`,
    ]);
    await peer[Symbol.asyncDispose]();
    await victim.serveCleanly();
  });

  Deno.test(`Our client gives up at its deadline on ${stall.name}`, async () => {
    await using server = listenRaw((peer) => stall.run(peer, "server"));
    const connecting = connect(`tester@127.0.0.1:${server.port}`, {
      auth: [password("never sent")],
      hostKeys: acceptAnyHostKey(),
      timeout: LIMIT_MS,
    });
    const limited = within(connecting, "The deadline");
    const error = await assertRejects(() => limited, ConnectError, "timed out");
    assertEquals(error.code, "timeout");
  });
}

Deno.test("Our server logs users in while 50 unauthenticated peers stall", async () => {
  await using victim = await startVictim({ maxStartups: { begin: 60, rate: 30, full: 100 } });
  await using strangers = new AsyncDisposableStack();
  const peers: RawPeer[] = [];
  for (let i = 0; i < 50; i++) peers.push(strangers.use(await dialRaw(victim.server.addr.port)));
  await Promise.all(peers.map((peer) => peer.until((p) => p.identification !== undefined, "SSH-")));
  assertEquals(victim.server.connections, 50);
  await victim.serveCleanly();
});

Deno.test("Our server drops unauthenticated peers above MaxStartups and then accepts users again", async () => {
  await using victim = await startVictim({ maxStartups: { begin: 10, rate: 30, full: 10 } });
  {
    await using strangers = new AsyncDisposableStack();
    for (let i = 0; i < 10; i++) {
      const peer = strangers.use(await dialRaw(victim.server.addr.port));
      await peer.until((p) => p.identification !== undefined, "SSH-");
    }
    await using eleventh = await dialRaw(victim.server.addr.port);
    await eleventh.collect();
    assertEquals(eleventh.identification, undefined);
  }
  await victim.failed(10);
  await victim.serveCleanly();
});

Deno.test("Our client can be aborted while the server is silent", async () => {
  const reason = new Error("changed my mind");
  const controller = new AbortController();
  await using server = listenRaw(async (peer) => {
    await peer.until((p) => p.identification !== undefined, "SSH-");
    controller.abort(reason);
  });
  const error = await assertRejects(() =>
    connect(`tester@127.0.0.1:${server.port}`, {
      auth: [password("never sent")],
      hostKeys: acceptAnyHostKey(),
      signal: controller.signal,
    })
  );
  assert(error === reason, "The reason must come unwrapped");
});
