/** When a command counts as blocked by standard error that is not read. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Channel } from "../../lib/connection/channel.ts";
import { STALL_MS } from "../../lib/defaults.ts";
import type { SshError } from "../../lib/errors.ts";
import { watchStall } from "../../lib/session/stall.ts";
import { FakeTime } from "../support/fake_time.ts";

const blocked = { stalled: true, readableBytes: 0, readableStderrBytes: 9 };
const states = {
  blocked,
  "not stalled": { ...blocked, stalled: false },
  "stalled by standard output, too": { ...blocked, readableBytes: 1 },
  "stalled by data that a reader has taken": { ...blocked, readableStderrBytes: 0 },
};

for (const [what, state] of Object.entries(states)) {
  Deno.test(`A command that is ${what} at two checks is ${state === blocked ? "" : "not "}ended`, async () => {
    using time = new FakeTime();
    const errors: SshError[] = [];
    using _watch = watchStall({ state } as unknown as Channel, (error) => errors.push(error));
    await time.advance(STALL_MS);
    assertEquals(errors, []);
    await time.advance(5 * STALL_MS);
    assertEquals(errors.length, state === blocked ? 1 : 0);
    if (state === blocked) assertStringIncludes(errors[0]!.message, "9 bytes");
  });
}

Deno.test("A command is ended only if the checks that find it blocked follow each other", async () => {
  using time = new FakeTime();
  const channel = { state: blocked };
  let isEnded = false;
  {
    using _watch = watchStall(channel as unknown as Channel, () => isEnded = true);
    for (const state of [blocked, states["not stalled"], blocked]) {
      channel.state = state;
      await time.advance(STALL_MS);
    }
    assert(!isEnded);
  }
  await time.advance(5 * STALL_MS); // nothing is watched any more
  assertEquals([isEnded, time.timers], [false, 0]);
});
