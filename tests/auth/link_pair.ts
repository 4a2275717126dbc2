import { generateKey } from "../../lib/keys/mod.ts";
import type { HostProof } from "../../lib/keys/key.ts";
import type { Link } from "../../lib/transport/link.ts";

const sessionId = new Uint8Array(32).fill(7);
const hostKey = await generateKey("ed25519");
const host: HostProof = {
  hostKey: hostKey.publicKey,
  sessionId,
  signature: hostKey.sign("ssh-ed25519", sessionId),
};

/** One end of a connection in memory. */
export class MemoryLink implements Link {
  readonly sessionId: Uint8Array = sessionId;
  readonly host: HostProof = host;
  readonly extensions = new Map<string, Uint8Array>();
  /** Everything that this end has sent. */
  readonly sent: Uint8Array[] = [];
  #queue: Uint8Array[] = [];
  #waiting: PromiseWithResolvers<Uint8Array> | null = null;
  #over: { error: unknown } | null = null;
  #peer: MemoryLink | null = null;

  connect(peer: MemoryLink): void {
    this.#peer = peer;
  }

  send(payload: Uint8Array): void {
    this.sent.push(payload.slice());
    this.#peer!.#deliver(payload.slice());
  }

  acknowledge(): void {}

  receive(): Promise<Uint8Array> {
    const payload = this.#queue.shift();
    if (payload !== undefined) return Promise.resolve(payload);
    if (this.#over) return Promise.reject(this.#over.error);
    if (this.#waiting) throw new Error("Two receivers on one link");
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  /** Ends the connection: the receiver gets the error. */
  die(error: unknown): void {
    this.#over = { error };
    this.#waiting?.reject(error);
    this.#waiting = null;
  }

  /** The numbers of the messages that this end has sent. */
  get sentNumbers(): number[] {
    return this.sent.map((payload) => payload[0]!);
  }

  #deliver(payload: Uint8Array): void {
    if (this.#waiting === null) this.#queue.push(payload);
    else this.#waiting.resolve(payload);
    this.#waiting = null;
  }
}

/** Two ends of one connection. */
export function linkPair(): { client: MemoryLink; server: MemoryLink } {
  const client = new MemoryLink();
  const server = new MemoryLink();
  client.connect(server);
  server.connect(client);
  return { client, server };
}
