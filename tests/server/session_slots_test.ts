/** Which sessions count towards `maxSessions`. */
import { assertEquals, assertStrictEquals } from "@std/assert";
import type { Channel } from "../../lib/connection/channel.ts";
import { SessionSlots } from "../../lib/server/session_slots.ts";

const session = () => ({ isOpen: true }) as { isOpen: boolean } & Channel;

for (const how of ["resolve", "reject"] as const) {
  for (const order of [["program", "channel"], ["channel", "program"]] as const) {
    Deno.test(`A session counts until its ${order.join(" and then its ")} ends, which may ${how}`, async () => {
      const slots = new SessionSlots();
      const channel = session();
      const parts = {
        channel: Promise.withResolvers<void>(),
        program: Promise.withResolvers<void>(),
      };
      const holds = {
        channel: slots.hold(channel, parts.channel.promise).catch(() => {}),
        program: slots.hold(channel, parts.program.promise).catch(() => {}),
      };
      const other = Promise.withResolvers<void>();
      const held = slots.hold(session(), other.promise);
      assertEquals([slots.taken, slots.lingering], [2, 0]);
      for (const [at, part] of order.entries()) {
        if (part === "channel") channel.isOpen = false;
        parts[part][how]();
        await holds[part];
        const isFirst = at === 0;
        assertEquals([slots.taken, slots.lingering], [
          isFirst ? 2 : 1,
          isFirst && part === "channel" ? 1 : 0,
        ]);
      }
      other.resolve();
      await held;
      assertEquals(slots.taken, 0);
    });
  }
}

Deno.test("What is held has its result, or its error", async () => {
  const slots = new SessionSlots();
  assertEquals(await slots.hold(session(), Promise.resolve(7)), 7);
  const error = new Error("gone");
  assertStrictEquals(await slots.hold(session(), Promise.reject(error)).catch((it) => it), error);
});
