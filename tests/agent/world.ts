/** Agents for tests, which answer as a test wants over streams in memory. */
import { type AgentSource, connectAgent, type Keyring } from "@denossh/ssh";
import { type ByteStreams, memoryPair } from "@denossh/ssh/testing";

/** An agent whose end of each connection is controlled by `talk`, like a hostile socket. */
export interface FakeAgent extends AgentSource {
  /** The number of connections opened. */
  readonly connections: number;
}

export function fakeAgent(talk: (end: ByteStreams) => Promise<void>): FakeAgent {
  let connections = 0;
  return {
    get connections() {
      return connections;
    },
    connect() {
      connections++;
      const [near, far] = memoryPair();
      talk(far).catch(() => {});
      return Promise.resolve(near);
    },
  };
}

/** An agent that answers every request with the same bytes, framing included, and optionally hangs up. */
export function answering(bytes: Uint8Array, options: { hangUp?: boolean } = {}): FakeAgent {
  return fakeAgent(async ({ readable, writable }) => {
    const reader = readable.getReader();
    const writer = writable.getWriter();
    while (!(await reader.read()).done) {
      await writer.write(bytes.slice());
      if (options.hangUp) return await writer.close();
    }
  });
}

/** An agent that listens and never answers; `asked` resolves at the first request. */
export function silentAgent(): FakeAgent & { readonly asked: Promise<void> } {
  const asked = Promise.withResolvers<void>();
  const agent = fakeAgent(async ({ readable }) => {
    await readable.getReader().read();
    asked.resolve();
  });
  return Object.assign(agent, { asked: asked.promise });
}

/** A message with its length prefix. */
export function framed(...message: readonly number[]): Uint8Array {
  const frame = new Uint8Array(4 + message.length);
  new DataView(frame.buffer).setUint32(0, message.length);
  frame.set(message, 4);
  return frame;
}

/** Sends raw bytes to a keyring and returns its output until it hangs up or `length` bytes have arrived. */
export async function say(
  keyring: Keyring,
  bytes: Uint8Array,
  length = Infinity,
): Promise<Uint8Array> {
  const { readable, writable } = await keyring.connect();
  const writer = writable.getWriter();
  const reader = readable.getReader();
  const sent = writer.write(bytes).then(() => length === Infinity ? writer.close() : undefined);
  sent.catch(() => {});
  const said: number[] = [];
  while (said.length < length) {
    const { done, value } = await reader.read().catch(() => ({ done: true, value: undefined }));
    if (done) break;
    said.push(...value!);
  }
  await reader.cancel().catch(() => {});
  await writer.abort().catch(() => {});
  return Uint8Array.from(said);
}

/** The comments of the keys that an agent lists. */
export async function comments(agent: AgentSource | string): Promise<string[]> {
  await using client = await connectAgent(agent);
  return (await client.identities()).map(({ publicKey }) => publicKey.comment);
}
