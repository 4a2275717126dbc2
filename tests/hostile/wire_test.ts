/** A damaged wire between our client and our server: the right result or an error, and nothing else. */
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { ConnectError, type ConnectOptions, SshError } from "@denossh/ssh";
import { connectTo, type OurServer, startOurs } from "../support/ours.ts";
import {
  bytewise,
  cut,
  type Damage,
  flip,
  type Proxy,
  startProxy,
  swallow,
  untouched,
} from "../support/proxy.ts";

const PLACES = 24;
const KEEPALIVE = { keepaliveInterval: 150, keepaliveCount: 2 };
const OUTPUT = "0123456789abcdef".repeat(512);
const COMMAND = `printf '%s' ${OUTPUT}`;

type Way = "toServer" | "toClient";
const WAYS: readonly Way[] = ["toServer", "toClient"];
const CIPHERS = ["chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com", "aes128-ctr"];

/** The time limit of a session through a damaged wire; without damage there is no limit. */
const IMPATIENT = { timeout: 1_500, ...KEEPALIVE };

/** Logs in through the proxy and runs one command. */
async function session(
  server: OurServer,
  proxy: Proxy,
  cipher?: string,
  patience: Partial<ConnectOptions> = {},
): Promise<string> {
  // The host key is known for the server's own port.
  await using host = await connectTo({ ...server, port: proxy.port }, {
    hostKeys: (await Deno.readTextFile(server.knownHosts)).trim().split(" ").slice(1).join(" "),
    ...(cipher !== undefined && { algorithms: { cipher } }),
    ...patience,
  });
  return await host.run(COMMAND);
}

/** The bytes of an undamaged session in each direction. */
async function measured(server: OurServer, cipher?: string): Promise<Record<Way, number>> {
  await using proxy = startProxy(server.port);
  assertEquals(await session(server, proxy, cipher), OUTPUT);
  return { toServer: proxy.bytesToServer, toClient: proxy.bytesToClient };
}

/** Runs a session with damage: its output is right, or the error is an SshError. */
async function survives(server: OurServer, way: Way, damage: Damage, cipher?: string) {
  await using proxy = startProxy(server.port, { [way]: damage });
  try {
    assertEquals(await session(server, proxy, cipher, IMPATIENT), OUTPUT);
  } catch (error) {
    assertInstanceOf(error, SshError);
    return error;
  }
  return null;
}

Deno.test("A session works with one byte per segment, both ways", async () => {
  await using server = await startOurs();
  await using proxy = startProxy(server.port, { toServer: bytewise, toClient: bytewise });
  assertEquals(await session(server, proxy), OUTPUT);
});

for (const cipher of CIPHERS) {
  for (const way of WAYS) {
    Deno.test(`A bit flipped on the way ${way} under ${cipher} never yields wrong output`, async () => {
      await using server = await startOurs(KEEPALIVE);
      const total = (await measured(server, cipher))[way];
      let failures = 0;
      for (let i = 0; i < PLACES; i++) {
        const place = Math.floor(total * (i + 0.5) / PLACES);
        if (await survives(server, way, flip(place, 1 << i % 8), cipher) !== null) failures++;
      }
      // Nearly all: padding before the first keys is not protected.
      assert(failures >= PLACES - 3, `Only ${failures} of ${PLACES} were noticed`);
      assertEquals(await measured(server, cipher).then(() => "serves on"), "serves on");
    });
  }
}

for (const way of WAYS) {
  Deno.test(`A connection cut anywhere on the way ${way} is an error, not an end`, async () => {
    await using server = await startOurs();
    const total = (await measured(server))[way];
    for (let i = 0; i < PLACES; i++) {
      const place = Math.floor(total * i / PLACES * 0.95);
      const error = await survives(server, way, cut(place));
      assert(error !== null || place > total * 0.8, `Cut at ${place} of ${total}, and no error`);
    }
    await measured(server);
  });

  Deno.test(`A connection that goes silent anywhere on the way ${way} is noticed`, async () => {
    await using server = await startOurs({ ...KEEPALIVE, loginGraceTime: 1_500 });
    const total = (await measured(server))[way];
    // In parallel, since each waits for a deadline.
    const places = [0, 0.1, 0.3, 0.5, 0.7].map((part) => Math.floor(total * part));
    const errors = await Promise.all(
      places.map((place) => survives(server, way, swallow(place))),
    );
    assertEquals(errors.filter((error) => error === null), []);
    await measured(server);
  });
}

Deno.test("A client whose server goes silent after the login fails after its keepalives", async () => {
  await using server = await startOurs();
  let silent = false;
  let asked = 0;
  const toClient: Damage = (chunk) => silent ? [] : untouched(chunk, 0);
  const toServer: Damage = (chunk, at) => {
    if (silent) asked++;
    return untouched(chunk, at);
  };
  await using proxy = startProxy(server.port, { toClient, toServer });
  await using host = await connectTo({ ...server, port: proxy.port }, {
    hostKeys: (await Deno.readTextFile(server.knownHosts)).trim().split(" ").slice(1).join(" "),
    ...KEEPALIVE,
  });
  silent = true;
  await assertRejects(() => host.closed, ConnectError);
  // The questions, and perhaps the farewell.
  assert(asked >= 1 && asked <= KEEPALIVE.keepaliveCount + 1, `It sent ${asked} packets`);
});
