/** Which handler or loop decides about a channel that the peer opens, and how often. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Channel, IncomingOpen } from "../../lib/connection/channel.ts";
import { IncomingOpens, type OpenHandler } from "../../lib/connection/incoming_opens.ts";
import { MAX_PENDING_OPENS } from "../../lib/defaults.ts";
import { OPEN_FAILURE } from "../../lib/wire/numbers.ts";

const { ADMINISTRATIVELY_PROHIBITED, RESOURCE_SHORTAGE, UNKNOWN_CHANNEL_TYPE } = OPEN_FAILURE;
const CHANNEL = {} as Channel;
const turn = () => new Promise<void>((resolve) => setTimeout(resolve));

/** Opens of a peer, and their answers in order: the extra data, or the reason of a refusal. */
function opensWith(handlers: Record<string, OpenHandler> = {}) {
  const opens = new IncomingOpens(new Map(Object.entries(handlers)));
  const answers: (number | string)[] = [];
  const ask = (type: string) =>
    opens.receive({
      type,
      data: new Uint8Array([1]),
      accept: (extra) => {
        answers.push(`accepted with ${extra.length} bytes`);
        return CHANNEL;
      },
      refuse: (reason, description) => void answers.push(reason, description),
    });
  return { opens, answers, ask };
}

Deno.test("A type that has neither a handler nor a loop is refused as unknown", () => {
  const { answers, ask } = opensWith({ other: () => {} });
  ask("x");
  assertEquals(answers, [UNKNOWN_CHANNEL_TYPE, "This channel type is not served here"]);
});

Deno.test("A handler gets the type and data, and accepts with data or without", () => {
  const seen: [string, Uint8Array][] = [];
  const { answers, ask, opens } = opensWith({
    x: (open) => {
      seen.push([open.type, open.data]);
      assert(open.accept(new Uint8Array(3)) === CHANNEL);
    },
  });
  assertEquals(opens.served, true);
  ask("x");
  assertEquals(seen, [["x", new Uint8Array([1])]]);
  opens.handle("x", (open) => void open.accept()); // replaces the first one
  ask("x");
  assertEquals(answers, ["accepted with 3 bytes", "accepted with 0 bytes"]);
  assertEquals([seen.length, opensWith().opens.served], [1, false]);
});

const handlers: Record<string, OpenHandler> = {
  "does nothing": () => {},
  "does nothing later": () => Promise.resolve(),
  "throws": () => {
    throw new Error("broken");
  },
  "rejects": () => Promise.reject(new Error("broken")),
  "rejects the open": (open) => open.reject(),
};
for (const [what, handler] of Object.entries(handlers)) {
  Deno.test(`A handler that ${what} refuses the channel, once`, async () => {
    const { answers, ask } = opensWith({ x: handler });
    ask("x");
    await turn();
    assertEquals(answers, [ADMINISTRATIVELY_PROHIBITED, "Refused"]);
  });
}

Deno.test("A handler may answer before it ends, and only once", async () => {
  const gate = Promise.withResolvers<void>();
  const kept: IncomingOpen[] = [];
  const { answers, ask } = opensWith({
    x: async (open) => {
      kept.push(open);
      open.reject(4, "Busy");
      await gate.promise;
    },
  });
  ask("x");
  assertEquals(answers, [4, "Busy"]);
  gate.resolve();
  await turn();
  for (const again of [() => kept[0]!.accept(), () => kept[0]!.reject()]) {
    assertThrows(again, TypeError, "answered already");
  }
  assertEquals(answers, [4, "Busy"]);
});

Deno.test("Opens wait for handlers up to a limit, and each answer makes room for one", async () => {
  const waiting: IncomingOpen[] = [];
  const { answers, ask } = opensWith({
    x: (open) => {
      waiting.push(open);
      return new Promise(() => {});
    },
    quick: () => {},
  });
  for (let i = 0; i < MAX_PENDING_OPENS; i++) ask("x");
  assertEquals([answers, waiting.length], [[], MAX_PENDING_OPENS]);
  for (const type of ["x", "quick", "unknown"]) ask(type);
  const full = [RESOURCE_SHORTAGE, "Too many channels"];
  assertEquals(answers.splice(0), [...full, ...full, ...full]);
  waiting[0]!.accept();
  waiting[1]!.reject();
  answers.length = 0;
  ask("x");
  ask("quick"); // the handler's end is its answer
  await turn();
  assertEquals(answers.splice(0), [ADMINISTRATIVELY_PROHIBITED, "Refused"]);
  ask("x");
  ask("x");
  assertEquals([answers, waiting.length], [full, MAX_PENDING_OPENS + 2]);
});

const reserved = [
  "session",
  "x11",
  "direct-tcpip",
  "forwarded-tcpip",
  "direct-streamlocal@openssh.com",
  "forwarded-streamlocal@openssh.com",
  "agent-connect",
  "auth-agent@openssh.com",
  "tun@openssh.com",
];
for (const type of reserved) {
  Deno.test(`A loop of the program does not get channels of ${type}, and a handler does`, async () => {
    const { opens, answers, ask } = opensWith();
    const loop = opens.queue[Symbol.asyncIterator]();
    ask(type);
    assertEquals(answers.splice(0, 1), [UNKNOWN_CHANNEL_TYPE]);
    opens.handle(type, (open) => void open.accept());
    ask(type);
    assertEquals(answers.at(-1), "accepted with 0 bytes");
    await loop.return!();
  });
}

Deno.test("A loop gets other types, a handler before it; the end of the loop refuses those that wait", async () => {
  const { opens, answers, ask } = opensWith({ handled: (open) => void open.accept() });
  const loop = opens.queue[Symbol.asyncIterator]();
  for (const type of ["a", "handled", "b", "c"]) ask(type);
  assertEquals(answers.splice(0), ["accepted with 0 bytes"]);
  const { value } = await loop.next();
  assertEquals(value?.type, "a");
  value!.accept();
  await loop.return!();
  const refused = [ADMINISTRATIVELY_PROHIBITED, "Refused"];
  assertEquals(answers.splice(0), ["accepted with 0 bytes", ...refused, ...refused]);
  ask("a");
  assertEquals(answers[0], UNKNOWN_CHANNEL_TYPE);
});
