/** `controlPath:` with correct and faulty masters. */
import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import {
  type Client,
  connect,
  ConnectError,
  type ConnectionInfo,
  type ConnectOptions,
  ProtocolError,
  type TraceEvent,
} from "@denossh/ssh";
import { CONTROL_HELLO_MS } from "../../lib/defaults.ts";
import { ControlSocket } from "../../lib/login/control_socket.ts";
import { configuredControlPath } from "../../lib/login/settings.ts";
import {
  ChannelClose,
  ChannelEof,
  ChannelOpen,
  ChannelOpenConfirmation,
  ChannelRequest,
  ChannelSuccess,
  Ignore,
} from "../../lib/wire/messages.ts";
import { writeData } from "../../lib/wire/hot.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { ControlMessages } from "../../lib/login/control_messages.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import { streamSocket } from "../../lib/transport/socket.ts";
import { replaced } from "../support/replaced.ts";
import { freePort } from "../support/free_port.ts";
import { FakeTime } from "../support/fake_time.ts";
import { tempFolder } from "../support/temp.ts";
import { CONTROL, control, fakeMaster, type MasterEnd } from "./fake_master.ts";

/** Connects to a closed port, so that it succeeds only through a master. */
function share(controlPath: string, options: ConnectOptions = {}): Promise<Client> {
  return connect({
    hostname: "127.0.0.1",
    port: freePort(),
    user: "me",
    auth: [],
    hostKeys: [],
    config: false,
    controlPath,
    ...options,
  });
}

/** Acts as the server: each command prints itself, and succeeds. */
async function echoCommands(end: MasterEnd): Promise<void> {
  const none = new Uint8Array(0);
  let theirs = 0;
  for (let packet; (packet = await end.packet()) !== null;) {
    if (packet[0] === MSG.CHANNEL_OPEN) {
      theirs = ChannelOpen.decode(packet).sender;
      const sizes = { window: 1024, maxPacket: 1024, data: none };
      await end.sendPackets(
        ChannelOpenConfirmation.encode({ recipient: theirs, sender: 7, ...sizes }),
      );
    } else if (packet[0] === MSG.CHANNEL_REQUEST) {
      const { data } = ChannelRequest.decode(packet);
      const said = new Uint8Array(9 + data.length - 4);
      writeData(said, theirs, 0, data.subarray(4));
      const status = { type: "exit-status", wantReply: false, data: new Uint8Array(4) };
      await end.sendPackets(
        ChannelSuccess.encode({ recipient: theirs }),
        said,
        ChannelRequest.encode({ recipient: theirs, ...status }),
        ChannelEof.encode({ recipient: theirs }),
        ChannelClose.encode({ recipient: theirs }),
      );
    }
  }
}

Deno.test("A master's connection is used without a login", async () => {
  // An IGNORE follows the answer in the same write.
  const ignore = Ignore.encode({ data: new Uint8Array(3) });
  const packet = new Uint8Array([0, 0, 0, ignore.length + 1, 0, ...ignore]);
  await using master = await fakeMaster(async (end) => {
    await end.grant(packet);
    await echoCommands(end);
  });
  const events: TraceEvent[] = [];
  await using host = await share(master.path, { trace: (event) => events.push(event) });
  assertEquals(await host.run("first"), "first");
  assertEquals(await host.run("second"), "second");
  const info: Partial<ConnectionInfo> = { ...host.info };
  assertEquals([info.shared, info.user, info.cipher, info.server], [true, "me", "", ""]);
  assertThrows(() => host.info.hostKey, TypeError, "control master");
  assertEquals(events[0]!.name, "IGNORE");
  await host.close();
  await host.closed;
});

const NO_BYTES = new Uint8Array(0);

for (
  const [what, note, script] of [
    ["closes at once", "was closed by the master", () => Promise.resolve()],
    [
      "speaks another version",
      "speaks version 5 instead of 4",
      (end) => end.send(control(CONTROL.HELLO, 5)),
    ],
    ["says no hello", "is not of a control master", (end) => end.send(control(CONTROL.FAILED, 4))],
    [
      "sends a length of 2^32-1",
      "a length out of range",
      (end) => end.send(new Uint8Array([255, 255, 255, 255])),
    ],
    ["sends a length of 0", "a length out of range", (end) => end.send(new Uint8Array(4))],
    ["sends a hello without a version", "too short", (end) => end.send(control(CONTROL.HELLO))],
    [
      "denies it",
      'refuses "proxy": no',
      (end) => ask(end, (request) => control(CONTROL.DENIED, request, "n\x1bo")),
    ],
    [
      "cannot do it",
      'refuses "proxy": unsupported request',
      (end) => ask(end, (request) => control(CONTROL.FAILED, request, "unsupported request")),
    ],
    [
      "answers another request",
      "answers another request",
      (end) => ask(end, (request) => control(CONTROL.PROXIED, request + 1)),
    ],
    [
      "answers an unknown type",
      "sends an unknown answer",
      (end) => ask(end, (request) => control(0x80000042, request)),
    ],
    ["closes instead of an answer", "was closed by the master", (end) => ask(end, () => NO_BYTES)],
  ] as [string, string, (end: MasterEnd) => Promise<void>][]
) {
  Deno.test(`A master that ${what} is reported and skipped`, async () => {
    await using master = await fakeMaster(script);
    const notes: string[] = [];
    const onNote = (text: string) => notes.push(text);
    const error = await assertRejects(() => share(master.path, { onNote }), ConnectError);
    assertEquals(error.message.startsWith("Cannot connect to 127.0.0.1"), true, error.message);
    assertEquals(notes.length, 1);
    assert(notes[0]!.includes(note) && notes[0]!.endsWith(": connecting without it"), notes[0]);
  });
}

/** Greets, and answers one request. */
async function ask(end: MasterEnd, answer: (request: number) => Uint8Array): Promise<void> {
  await end.control();
  await end.send(control(CONTROL.HELLO, 4));
  const [type, request] = await end.control();
  assertEquals(type, CONTROL.PROXY);
  await end.send(answer(request.u32()));
}

for (
  const [what, bytes, message] of [
    ["a length of 2^32-1", [255, 255, 255, 255, 0], "out of range"],
    ["a length of 0", [0, 0, 0, 0, 0], "out of range"],
    ["no message", [0, 0, 0, 1, 0], "out of range"],
    ["padding", [0, 0, 0, 6, 4, 2, 0, 0, 0, 0], "padding"],
    ["a key exchange", [0, 0, 0, 2, 0, MSG.KEXINIT], "KEXINIT"],
    ["an end of the login", [0, 0, 0, 2, 0, MSG.USERAUTH_SUCCESS], "USERAUTH_SUCCESS"],
    ["data of no channel", [0, 0, 0, 10, 0, MSG.CHANNEL_DATA, 0, 0, 0, 9, 0, 0, 0, 0], "hannel"],
  ] as [string, number[], string][]
) {
  Deno.test(`A master that sends a packet with ${what} ends the connection`, async () => {
    await using master = await fakeMaster(async (end) => {
      await end.grant();
      await end.packet();
      await end.send(new Uint8Array(bytes));
      while (await end.packet() !== null);
    });
    await using host = await share(master.path);
    const failed = await assertRejects(() => host.run("true"), ProtocolError);
    assert(failed.message.includes(message), failed.message);
    await assertRejects(() => host.closed, ProtocolError);
  });
}

Deno.test("A master that closes ends the commands on its connection", async () => {
  await using master = await fakeMaster(async (end) => {
    await end.grant();
    await end.packet();
  });
  await using host = await share(master.path);
  await assertRejects(() => host.run("true"), ConnectError);
  await assertRejects(() => host.closed, ConnectError);
});

Deno.test("A silent master is skipped after a while", async () => {
  const { promise: told, resolve } = Promise.withResolvers<void>();
  await using master = await fakeMaster(async (end) => {
    await end.control();
    await told;
  });
  using time = new FakeTime();
  const opening = assertRejects(() => ControlSocket.open(master.path), ConnectError, "not answer");
  await time.settle(opening);
  resolve();
  assertEquals(time.now, CONTROL_HELLO_MS);
});

Deno.test("Waiting for a master ends with the signal", async () => {
  const { promise: greeted, resolve } = Promise.withResolvers<void>();
  await using master = await fakeMaster(async (end) => {
    await end.control();
    await end.send(control(CONTROL.HELLO, 4));
    await end.control();
    resolve();
    await end.packet();
  });
  const abort = new AbortController();
  const sharing = share(master.path, { signal: abort.signal });
  greeted.then(() => abort.abort(new Error("enough")));
  await assertRejects(() => sharing, Error, "enough");
});

Deno.test("A stale control socket is reported and skipped; a missing one is not reported", async () => {
  await using folder = await tempFolder();
  const listener = Deno.listen({ transport: "unix", path: folder.join("socket") });
  await Deno.rename(folder.join("socket"), folder.join("stale"));
  listener.close();
  const notes: string[] = [];
  const onNote = (text: string) => notes.push(text);
  await assertRejects(() => share(folder.join("none"), { onNote }), ConnectError, "Cannot connect");
  assertEquals(notes, []);
  await assertRejects(
    () => share(folder.join("stale"), { onNote }),
    ConnectError,
    "Cannot connect",
  );
  const path = folder.join("stale");
  assertEquals(notes, [`Control socket "${path}" does not answer: connecting without it`]);
});

for (
  const [what, message, damage] of [
    ["is a file", "not a socket", async (path) => {
      await Deno.remove(path);
      await Deno.writeTextFile(path, "");
    }],
    ["is a link", "a symbolic link", async (path) => {
      await Deno.rename(path, `${path}.real`);
      await Deno.symlink(`${path}.real`, path);
    }],
    [
      "lies where everyone may write",
      "everyone may write",
      (path) => Deno.chmod(path.replace(/\/control$/, ""), 0o777),
    ],
    ...Deno.uid() === 0
      ? [["belongs to another", "another user", (path: string) => Deno.chown(path, 12345, 12345)]]
      : [],
  ] as [string, string, (path: string) => Promise<void>][]
) {
  Deno.test(`A control socket that ${what} is refused`, async () => {
    await using master = await fakeMaster((end) => end.grant());
    await damage(master.path);
    await assertRejects(() => share(master.path), ConnectError, message);
  });
}

Deno.test("A socket in a sticky folder, such as /tmp, is used", async () => {
  await using master = await fakeMaster(async (end) => {
    await end.grant();
    await echoCommands(end);
  });
  await Deno.chmod(master.folder.path, 0o1777);
  await using host = await share(master.path);
  assertEquals(await host.run("used"), "used");
});

Deno.test("ControlMaster and ControlPath decide whether a connection is shared", () => {
  for (
    const [settings, path] of [
      [{}, undefined],
      [{ ControlPath: null }, undefined],
      [{ ControlPath: "/s" }, "/s"],
      [{ ControlPath: "/s", ControlMaster: "no" }, "/s"],
      [{ ControlPath: "/s", ControlMaster: "auto" }, "/s"],
      [{ ControlPath: "/s", ControlMaster: "autoask" }, "/s"],
      [{ ControlPath: "/s", ControlMaster: "yes" }, undefined],
      [{ ControlPath: "/s", ControlMaster: "ask" }, undefined],
    ] as const
  ) assertEquals(configuredControlPath(settings), path);
});

Deno.test("A master that refuses to exit is reported, and a disabled one is not contacted", async () => {
  await using master = await fakeMaster(async (end) => {
    await end.control();
    await end.send(control(CONTROL.HELLO, 4));
    const [, request] = await end.control();
    await end.send(control(CONTROL.DENIED, request.u32(), "not yours"));
  });
  {
    using socket = await ControlSocket.open(master.path);
    await assertRejects(() => socket.exit(), ConnectError, 'refuses "exit": not yours');
  }
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => ControlSocket.open("/nonexistent/control", signal), Error, "enough");
});

Deno.test("A message of the control socket has 4 bytes to 64 KiB", async () => {
  const lengths: [length: number, accepted: boolean][] = [
    [3, false],
    [4, true],
    [64 * 1024, true],
    [64 * 1024 + 1, false],
  ];
  for (const [length, accepted] of lengths) {
    const bytes = new Writer().string(new Uint8Array(length)).take();
    const streams = { readable: ReadableStream.from([bytes]), writable: new WritableStream() };
    const receiving = new ControlMessages(streamSocket(streams)).receive();
    if (accepted) assertEquals((await receiving)?.remaining, length);
    else await assertRejects(() => receiving, ProtocolError, "out of range");
  }
});

Deno.test("A request that cannot be sent is reported with the reason", async () => {
  const broken = new Error("broken pipe");
  const answers = [control(CONTROL.HELLO, 4)];
  let writes = 0;
  const conn = {
    read(into: Uint8Array) {
      const answer = answers.shift();
      if (answer) into.set(answer);
      return Promise.resolve(answer?.length ?? null);
    },
    write: ({ length }: Uint8Array) =>
      ++writes === 1 ? Promise.resolve(length) : Promise.reject(broken),
    close() {},
  };
  using _net = replaced(runtime.net, "connectUnix", () => Promise.resolve(conn as Deno.UnixConn));
  using socket = await ControlSocket.open("/control");
  const error = await assertRejects(() => socket.check(), ConnectError, "closed by the master");
  assert(error.cause instanceof ConnectError);
  assertStrictEquals(error.cause.cause, broken);
});
