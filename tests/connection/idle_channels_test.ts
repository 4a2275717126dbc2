/** ChannelTimeout: channels that carry no data are closed. */
import { assertEquals, assertRejects } from "@std/assert";
import { ClosedError } from "../../lib/errors.ts";
import { type ChannelTimeouts, closeIdleChannels } from "../../lib/connection/idle_channels.ts";
import type { ChannelCore } from "../../lib/connection/channel_core.ts";
import { connectedPair } from "../../lib/testing/mod.ts";
import { configuredConnection } from "../../lib/login/settings.ts";
import { Config } from "../../lib/config/mod.ts";
import { FakeTime } from "../support/fake_time.ts";
import { rawWorld } from "./raw_world.ts";

/** A channel that counts its data and records when it is closed. */
class Carrier {
  readonly opening: { readonly type: string };
  carried = 0;
  isOpen = true;
  closedAt: number | null = null;
  readonly #time: FakeTime;

  constructor(time: FakeTime, type: string) {
    this.#time = time;
    this.opening = { type };
  }

  abort(): void {
    this.isOpen = false;
    this.closedAt = this.#time.now;
  }
}

/**
 * The seconds at which channels of some types are closed; the first carries a byte every 2 s until 10
 * s.
 */
async function closings(timeouts: ChannelTimeouts, types: string[]): Promise<(number | null)[]> {
  using time = new FakeTime();
  const channels = types.map((type) => new Carrier(time, type));
  const stop = closeIdleChannels(timeouts, () => channels as unknown as ChannelCore[]);
  for (let second = 0; second < 33; second++) {
    if (second % 2 === 0 && second <= 10) channels[0]!.carried++;
    await time.advance(1_000);
  }
  stop();
  return channels.map(({ closedAt }) => closedAt === null ? null : closedAt / 1000);
}

Deno.test("a channel is closed after its limit without data, by the first pattern", async () => {
  const types = ["session", "session", "direct-tcpip", "auth-agent@openssh.com"];
  const cases: [timeouts: ChannelTimeouts, closed: (number | null)[]][] = [
    [{ session: 5_000 }, [16, 6, null, null]],
    [{ "direct-*": 7_000, "*": 0 }, [null, null, 8, null]],
    [{ session: 0, "*": 4_000 }, [null, null, 5, 5]],
    [{ "agent-connection": 3_000 }, [null, null, null, 4]],
    [{ global: 20_000 }, [31, 31, 31, 31]],
    [{ global: 0 }, [null, null, null, null]],
    // Limits that are not whole seconds are reached at the next check.
    [{ session: 2_001 }, [14, 4, null, null]],
    [{ global: 2_001 }, [14, 14, 14, 14]],
    [{ session: 1 }, [2, 2, null, null]],
    [{ global: 1 }, [2, 2, 2, 2]],
  ];
  for (const [timeouts, closed] of cases) {
    assertEquals(await closings(timeouts, types), closed, JSON.stringify(timeouts));
  }
});

Deno.test("the limit for all channels does not count what a closed one still carries", async () => {
  using time = new FakeTime();
  const [closed, open] = [new Carrier(time, "session"), new Carrier(time, "session")];
  closed.isOpen = false;
  const channels = [closed, open] as unknown as ChannelCore[];
  const stop = closeIdleChannels({ global: 3_000 }, () => channels);
  for (let second = 0; second < 5; second++) {
    closed.carried++;
    await time.advance(1_000);
  }
  stop();
  assertEquals([closed.closedAt, open.closedAt, time.timers], [null, 4_000, 0]);
});

Deno.test("a session without data fails with the reason, and the connection stays", async () => {
  const time = new FakeTime();
  try {
    await using pair = await connectedPair({
      connect: { channelTimeouts: { session: 2_000 } },
      handler: async (session) => {
        if (session.command === "work") return 0;
        await new Promise((done) => session.signal.addEventListener("abort", done));
        return 0;
      },
    });
    const command = await pair.host.command("wait").spawn();
    const reading = assertRejects(
      () => new Response(command.stdout).text(),
      ClosedError,
      "The channel carried no data for 2 s",
    );
    command.status.catch(() => {});
    for (let second = 0; second < 4; second++) await time.advance(1_000);
    await reading;
    assertEquals((await pair.host.command("work").output()).code, 0);
  } finally {
    time[Symbol.dispose]();
  }
});

Deno.test("ChannelTimeout becomes limits; the first one for a type wins", async () => {
  const timeouts = async (text: string) =>
    configuredConnection(await Config.parse(text).lookup("db1")).channelTimeouts;
  assertEquals(await timeouts("ChannelTimeout session=5m *=0 session=1"), {
    session: 300_000,
    "*": 0,
  });
  assertEquals(await timeouts("ChannelTimeout none\nChannelTimeout session=1"), undefined);
});

Deno.test("A connection checks for idle channels with one timer, until it ends", async () => {
  using time = new FakeTime();
  {
    await using world = await rawWorld("client");
    const before = time.timers;
    world.connection.closeIdle({ session: 1_000 });
    world.connection.closeIdle({ session: 2_000 });
    assertEquals(time.timers, before + 1);
  }
  assertEquals(time.timers, 0);
});
