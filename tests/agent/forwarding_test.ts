import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import {
  type Channel,
  ChannelOpenError,
  connectAgent,
  type ForwardedAgent,
  Keyring,
  listenAgent,
  RequestDeniedError,
} from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import type { ServeOptions, SessionHandler } from "@denossh/ssh/server";
import { connectedPair } from "@denossh/ssh/testing";
import { AgentForwarding } from "../../lib/agent/forwarding.ts";
import {
  ChannelFailure,
  ChannelOpen,
  ChannelOpenConfirmation,
  ChannelOpenFailure,
  ChannelRequest,
} from "../../lib/wire/messages.ts";
import { AGENT_FORWARDING, MSG, OPEN_FAILURE } from "../../lib/wire/numbers.ts";
import { linkPair } from "../auth/link_pair.ts";
import { rawWorld } from "../connection/raw_world.ts";
import { replaced } from "../support/replaced.ts";
import { comments, fakeAgent } from "./world.ts";

const allowed: Partial<ServeOptions> = { forward: { agent: () => true } };

async function keyringWith(comment: string): Promise<Keyring> {
  const keyring = new Keyring();
  keyring.add(await generateKey("ed25519", { comment }));
  return keyring;
}

/** Prints the comments of the client's keys. */
const list: SessionHandler = async (session) => {
  await session.print(session.agent ? (await comments(session.agent)).join() : "no agent");
};

Deno.test("A forwarded agent is available to the session, in every form", async () => {
  using keyring = await keyringWith("mine");
  await using listener = await listenAgent(keyring);
  await using pair = await connectedPair({ serve: allowed, handler: list });
  const forms: ForwardedAgent[] = [
    keyring,
    listener.path,
    (channel) => keyring.serve(channel),
    { connect: () => keyring.connect() },
  ];
  for (const forwardAgent of forms) {
    assertEquals(await pair.host.run("list", { forwardAgent }), "mine");
    await using shell = await pair.host.shell({ forwardAgent, pty: false });
    assertEquals(new TextDecoder().decode((await shell.output()).stdout), "mine");
  }
  assertEquals(await pair.host.run("list", { forwardAgent: false }), "no agent");
  const before = Deno.env.get("SSH_AUTH_SOCK");
  Deno.env.set("SSH_AUTH_SOCK", listener.path);
  try {
    assertEquals(await pair.host.run("list", { forwardAgent: true }), "mine");
  } finally {
    if (before === undefined) Deno.env.delete("SSH_AUTH_SOCK");
    else Deno.env.set("SSH_AUTH_SOCK", before);
  }
});

Deno.test("A forwarded keyring lists and signs, and cannot be changed remotely", async () => {
  using keyring = await keyringWith("mine");
  const data = new TextEncoder().encode("to sign");
  await using pair = await connectedPair({
    serve: allowed,
    handler: async (session) => {
      await using agent = await connectAgent(session.agent!);
      const [key] = await agent.identities();
      const signature = await key!.sign("ssh-ed25519", data);
      assert(key!.publicKey.verify("ssh-ed25519", data, signature));
      await assertRejects(() => agent.removeAll(), RequestDeniedError);
    },
  });
  assertEquals(await pair.host.run("use", { forwardAgent: keyring }), "");
});

Deno.test("An agent is forwarded to a second server through the first", async () => {
  using keyring = await keyringWith("far");
  await using inner = await connectedPair({ serve: allowed, handler: list });
  await using outer = await connectedPair({
    serve: allowed,
    handler: async (session) => {
      await session.print(await inner.host.run("list", { forwardAgent: session.agent! }));
    },
  });
  assertEquals(await outer.host.run("through", { forwardAgent: keyring }), "far");
});

for (
  const [name, serve] of [
    ["does not say that it may", {}],
    ["says no", { forward: { agent: () => false } }],
    ["throws", {
      forward: {
        agent: () => {
          throw new Error("policy");
        },
      },
    }],
    ["says something else than true", { forward: { agent: () => "yes" as unknown as boolean } }],
  ] as const
) {
  Deno.test(`Agent forwarding is refused by a server whose policy ${name}`, async () => {
    using keyring = await keyringWith("mine");
    await using pair = await connectedPair({ serve, handler: list });
    const error = await assertRejects(
      () => pair.host.run("list", { forwardAgent: keyring }),
      RequestDeniedError,
    );
    assertEquals(error.request, AGENT_FORWARDING.IANA.request);
    assertEquals(await pair.host.run("list"), "no agent");
  });
}

Deno.test("A server that grants an agent once, as OpenSSH's, may refuse to do so again", async () => {
  using keyring = await keyringWith("mine");
  let asked = 0;
  await using pair = await connectedPair({
    serve: { forward: { agent: () => ++asked === 1 } },
    handler: list,
  });
  assertEquals(await pair.host.run("list", { forwardAgent: keyring }), "mine");
  assertEquals(await pair.host.run("list", { forwardAgent: keyring }), "no agent");
});

Deno.test("The server's agent policy gets the login", async () => {
  using keyring = await keyringWith("mine");
  const users: string[] = [];
  const agent = ({ user }: { user: string }) => users.push(user) > 0;
  await using pair = await connectedPair({ serve: { forward: { agent } }, handler: list });
  await pair.host.run("list", { forwardAgent: keyring });
  assertEquals(users, ["tester"]);
});

Deno.test("A server gets no connection to an agent that was not forwarded to it", async () => {
  const watched = fakeAgent(() => Promise.resolve());
  let reach: (() => Promise<unknown>) | null = null;
  await using pair = await connectedPair({
    serve: allowed,
    handler: (session) => {
      const { agent } = session;
      reach = () => agent!.connect();
    },
  });
  await pair.host.run("keep", { forwardAgent: watched });
  // The session has ended, so the object that the server kept must fail.
  await assertRejects(() => reach!(), ChannelOpenError);
  assertEquals(watched.connections, 0);
});

for (
  const [announced, { request, channel }] of [
    [[], AGENT_FORWARDING.OPENSSH],
    [[[AGENT_FORWARDING.EXTENSION, new Uint8Array([0x30])]], AGENT_FORWARDING.IANA],
  ] as [[string, Uint8Array][], { request: string; channel: string }][]
) {
  Deno.test(`A server is refused ${channel} before and after an agent is forwarded`, async () => {
    await using world = await rawWorld("client");
    const { raw, connection } = world;
    const watched = fakeAgent(() => Promise.resolve());
    const forwarding = new AgentForwarding(
      connection,
      linkPair().client.host,
      new Map(announced),
    );
    const refusal = async () => {
      const open = { type: channel, sender: 7, window: 1024, maxPacket: 1024 };
      raw.send(ChannelOpen.encode({ ...open, data: new Uint8Array(0) }));
      return ChannelOpenFailure.decode(await raw.next(MSG.CHANNEL_OPEN_FAILURE)).reason;
    };
    assertEquals(await refusal(), OPEN_FAILURE.UNKNOWN_CHANNEL_TYPE);
    const opening = connection.open("session");
    const { sender } = ChannelOpen.decode(await raw.next(MSG.CHANNEL_OPEN));
    raw.send(ChannelOpenConfirmation.encode({
      recipient: sender,
      sender: 0,
      window: 1024,
      maxPacket: 1024,
      data: new Uint8Array(0),
    }));
    const asked = forwarding.forward(await opening, watched);
    assertEquals(ChannelRequest.decode(await raw.next(MSG.CHANNEL_REQUEST)).type, request);
    raw.send(ChannelFailure.encode({ recipient: sender }));
    await assertRejects(() => asked, RequestDeniedError);
    assertEquals(await refusal(), OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED);
    assertEquals(watched.connections, 0);
  });
}

for (const { request, channel } of [AGENT_FORWARDING.IANA, AGENT_FORWARDING.OPENSSH]) {
  Deno.test(`A server that was asked by ${request} opens ${channel}`, async () => {
    const opened: unknown[] = [];
    await using pair = await connectedPair({
      serve: allowed,
      connect: {
        trace: ({ direction, name, fields }) => {
          if (direction === "received" && name === "CHANNEL_OPEN") opened.push(fields.type);
        },
      },
      // The client forwards no agent: only the requested channel type matters.
      handler: async (session) => void await session.agent!.connect().catch(() => {}),
    });
    await using session = await pair.host.openSession();
    await session.request(request);
    await session.exec("x");
    await session.exitStatus;
    assertEquals(opened, [channel]);
  });
}

Deno.test("Connections to the agent end with the session that requested forwarding", async () => {
  using keyring = await keyringWith("mine");
  const gone = Promise.withResolvers<unknown>();
  await using pair = await connectedPair({
    serve: allowed,
    handler: async (session) => {
      const channel = await session.agent!.connect();
      channel.closed.then(gone.resolve, gone.resolve);
    },
  });
  await pair.host.run("leak", { forwardAgent: keyring });
  assertStrictEquals(await gone.promise, undefined);
});

Deno.test("Two parallel sessions share an agent, and a different agent is refused meanwhile", async () => {
  using keyring = await keyringWith("mine");
  using other = await keyringWith("other");
  await using pair = await connectedPair({ serve: allowed, handler: list });
  await using first = await pair.host.openSession();
  await using second = await pair.host.openSession();
  await pair.host.forwardAgent(first, keyring);
  await pair.host.forwardAgent(second, keyring);
  await assertRejects(
    () => pair.host.run("list", { forwardAgent: other }),
    TypeError,
    "Another agent",
  );
  first.abort();
  await first.close();
  assertEquals(await pair.host.run("list", { forwardAgent: keyring }), "mine");
  second.abort();
  await second.close();
  assertEquals(await pair.host.run("list", { forwardAgent: other }), "other");
});

const held = ({ readable }: { readable: ReadableStream<Uint8Array> }) =>
  readable.pipeTo(new WritableStream());
for (
  const [what, forwardAgent] of [["an agent", fakeAgent(held)], ["a handler", held]] as [
    string,
    ForwardedAgent,
  ][]
) {
  Deno.test(`The number of parallel connections from a server to ${what} is limited`, async () => {
    await using pair = await connectedPair({
      serve: allowed,
      handler: async (session) => {
        const opens = Array.from({ length: 70 }, () => session.agent!.connect());
        const results = await Promise.allSettled(opens);
        const open = results.filter(({ status }) => status === "fulfilled").length;
        await session.print(`${open}`);
      },
    });
    assertEquals(await pair.host.run("many", { forwardAgent }), "64");
  });
}

Deno.test("Connections to the agent that have ended do not count", async () => {
  using keyring = await keyringWith("mine");
  let listed = 0;
  await using pair = await connectedPair({
    serve: allowed,
    handler: async (session) => {
      for (; listed < 65; listed++) await comments(session.agent!);
    },
  });
  await pair.host.run("one after the other", { forwardAgent: keyring });
  assertEquals(listed, 65);
});

Deno.test("A connection to a handler that has ended leaves no listener", async () => {
  const left: number[] = [];
  const { addEventListener, removeEventListener } = AbortSignal.prototype;
  let listeners = 0;
  using _added = replaced(AbortSignal.prototype, "addEventListener", function (
    this: AbortSignal,
    ...args: unknown[]
  ) {
    listeners++;
    addEventListener.apply(this, args as Parameters<typeof addEventListener>);
  });
  using _removed = replaced(AbortSignal.prototype, "removeEventListener", function (
    this: AbortSignal,
    ...args: unknown[]
  ) {
    listeners--;
    removeEventListener.apply(this, args as Parameters<typeof removeEventListener>);
  });
  await using pair = await connectedPair({
    serve: allowed,
    handler: async (session) => {
      for (let i = 0; i < 5; i++) {
        const channel = await session.agent!.connect();
        await new Response(channel.readable).arrayBuffer();
        await channel.closed;
        left.push(listeners);
      }
    },
  });
  await pair.host.run("x", { forwardAgent: () => {} });
  assertEquals(left, left.map(() => left[0]!));
});

Deno.test("No agent is forwarded over a connection that a control master logged in", async () => {
  await using world = await rawWorld("client");
  const forwarding = new AgentForwarding(world.connection, null, new Map());
  const watched = fakeAgent(() => Promise.resolve());
  await assertRejects(
    () => forwarding.forward({} as Channel, watched),
    RequestDeniedError,
    "Cannot forward an agent",
  );
});

Deno.test("An unreachable agent refuses its channel, and the connection continues", async () => {
  await using pair = await connectedPair({
    serve: allowed,
    handler: async (session) => {
      const error = await session.agent!.connect().catch((error) => error);
      await session.print(`${(error as ChannelOpenError).reason}`);
    },
  });
  assertEquals(await pair.host.run("x", { forwardAgent: "/nowhere/agent" }), "2");
});

Deno.test("A handler that throws closes its connection and nothing else", async () => {
  await using pair = await connectedPair({
    serve: allowed,
    handler: async (session) => {
      await assertRejects(() => comments(session.agent!));
      await session.print("still here");
    },
  });
  const forwardAgent = () => {
    throw new Error("handler");
  };
  assertEquals(await pair.host.run("x", { forwardAgent }), "still here");
});
