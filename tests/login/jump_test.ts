/** Jump hosts: in which order they are connected to and closed, and what fails on the way. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ChannelOpenError, ConfigError, ConnectError } from "@denossh/ssh";
import { MAX_JUMPS } from "../../lib/defaults.ts";
import {
  checkJumpDepth,
  closeHops,
  connectHops,
  dialThrough,
  type JumpHostClient,
} from "../../lib/login/jump.ts";

/** A client that records its close in a list, and dials as scripted. */
function hop(name: string, log: string[], dial = () => Promise.resolve({} as Deno.Conn)) {
  return {
    info: { host: { hostname: name, port: 2200 } },
    dial: (target, { signal }) => {
      log.push(`${name} dials ${target.hostname}:${target.port} ${signal.aborted}`);
      return dial();
    },
    async close() {
      log.push(`close ${name}`);
      await new Promise((resolve) => setTimeout(resolve));
      log.push(`closed ${name}`);
    },
  } satisfies JumpHostClient;
}

Deno.test("Hosts are connected one through the other, and closed starting with the last", async () => {
  const log: string[] = [];
  const clients = await connectHops(["a", "b", "c"], (name, through: JumpHostClient | null) => {
    log.push(`${name} through ${through?.info.host.hostname ?? "nothing"}`);
    return Promise.resolve(hop(name, log));
  });
  assertEquals(log.splice(0), ["a through nothing", "b through a", "c through b"]);
  await closeHops(clients);
  assertEquals(log, ["close c", "closed c", "close b", "closed b", "close a", "closed a"]);
  assertEquals(await connectHops([], () => Promise.reject(new Error("never"))), []);
});

Deno.test("A failed host closes those before it, and its error is thrown", async () => {
  const log: string[] = [];
  const failure = new Error("c is down");
  const connecting = connectHops(
    ["a", "b", "c", "d"],
    (name) => name === "c" ? Promise.reject(failure) : Promise.resolve(hop(name, log)),
  );
  assertEquals(await assertRejects(() => connecting), failure);
  assertEquals(log, ["close b", "closed b", "close a", "closed a"]);
});

Deno.test("A host that a jump host cannot reach is a ConnectError that names both", async () => {
  const log: string[] = [];
  const { signal } = new AbortController();
  const target = { hostname: "db", port: 22 };
  const dialled = {} as Deno.Conn;
  assertEquals(
    await dialThrough(hop("gate", log, () => Promise.resolve(dialled)), target, signal),
    dialled,
  );
  assertEquals(log, ["gate dials db:22 false"]);
  const refused = new ChannelOpenError(2, "refused");
  const error = await assertRejects(
    () => dialThrough(hop("gate", log, () => Promise.reject(refused)), target, signal),
    ConnectError,
    "Cannot reach db through [gate]:2200: refused",
  );
  assertEquals(error.cause, refused);
  const other = new Error("another one");
  assertEquals(
    await assertRejects(() =>
      dialThrough(hop("gate", log, () => Promise.reject(other)), target, signal)
    ),
    other,
  );
});

Deno.test("Jump hosts may be nested at most 16 deep", () => {
  checkJumpDepth(MAX_JUMPS);
  assertThrows(
    () => checkJumpDepth(MAX_JUMPS + 1),
    ConfigError,
    "More than 16 jump hosts lead to each other",
  );
});
