/** A server in memory whose connections can be cut, and a client that reconnects. */
import { type Client, connect, type ConnectOptions, none } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import {
  type ServedConnection,
  type ServeOptions,
  serveStreams,
  type SessionHandler,
} from "@denossh/ssh/server";
import { type ByteStreams, memoryPair } from "@denossh/ssh/testing";

const ownKey = await generateKey();

/** Options of the world. */
export interface CutOptions {
  readonly connect?: ConnectOptions;
  readonly serve?: Partial<ServeOptions>;
  readonly handler?: SessionHandler;
  /** Bytes, of both directions, after which a connection is cut: Infinity unless given. */
  readonly cutAfter?: () => number;
}

/** The server and its connections. */
export class CutWorld implements AsyncDisposable {
  /** The number of connections made. */
  made = 0;
  /** The number of connections cut. */
  cuts = 0;
  /** The error of new connections. */
  refusal: Error | null = null;
  readonly #options: CutOptions;
  readonly #served: ServedConnection[] = [];
  /** Resolves when the server has ended the connections that were cut. */
  #ended: Promise<unknown> = Promise.resolve();
  #cut: () => void = () => {};
  #isSilent = false;

  constructor(options: CutOptions = {}) {
    this.#options = options;
  }

  /** The options of a client that reconnects without pauses. */
  get way(): ConnectOptions {
    return {
      transport: () => this.#open(),
      user: "ann",
      auth: [none()],
      hostKeys: ownKey.publicKey,
      config: false,
      resilient: { attempts: Infinity, backoff: () => 0 },
      ...this.#options.connect,
    };
  }

  connect(): Promise<Client> {
    return connect(this.way);
  }

  /** Cuts the newest connection. */
  cut(): void {
    this.#cut();
  }

  /** Drops all data of the connection from now on. */
  silence(): void {
    this.#isSilent = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cut();
    await Promise.all(this.#served.map((served) => served.close()));
  }

  async #open(): Promise<ByteStreams> {
    // Otherwise the server would run requests of the lost connection after those of the next one.
    await this.#ended;
    if (this.refusal !== null) throw this.refusal;
    this.made++;
    const [near, far] = memoryPair();
    const { serve, handler, cutAfter = () => Infinity } = this.#options;
    const options = { hostKeys: [ownKey], auth: { none: () => true }, ...serve };
    const served = serveStreams(far, options, handler);
    this.#served.push(served);
    let left = cutAfter();
    const fate = (bytes: number) =>
      this.#isSilent ? "swallowed" : (left -= bytes) < 0 ? "cut" : "passed";
    const { streams, cut } = cuttable(near, fate, () => {
      this.cuts++;
      this.#ended = Promise.all([this.#ended, served.close()]);
    });
    this.#cut = cut;
    return streams;
  }
}

/** Streams that fail at both ends once `fate` decides so for a chunk, or when they are cut. */
function cuttable(
  { readable, writable }: ByteStreams,
  fate: (bytes: number) => "passed" | "cut" | "swallowed",
  onCut: () => void,
): { streams: ByteStreams; cut: () => void } {
  const controllers: TransformStreamDefaultController[] = [];
  const cut = () => {
    onCut();
    for (const controller of controllers) controller.error(new Error("The cable was cut"));
  };
  const cable = () =>
    new TransformStream<Uint8Array, Uint8Array>({
      start: (controller) => void controllers.push(controller),
      transform: (chunk, controller) => {
        const what = fate(chunk.length);
        if (what === "cut") cut();
        if (what === "passed") controller.enqueue(chunk);
      },
    });
  const [down, up] = [cable(), cable()];
  readable.pipeTo(down.writable).catch(() => {});
  up.readable.pipeTo(writable).catch(() => {});
  return { streams: { readable: down.readable, writable: up.writable }, cut };
}
