/** A server in memory whose connections can be cut, and a client that connects again. */
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

/** What is unusual. */
export interface CutOptions {
  readonly connect?: ConnectOptions;
  readonly serve?: Partial<ServeOptions>;
  readonly handler?: SessionHandler;
  /** Bytes, of both directions, after which a connection is cut: Infinity unless given. */
  readonly cutAfter?: () => number;
}

/** The server, and what has become of its connections. */
export class CutWorld implements AsyncDisposable {
  /** Connections that have been made. */
  made = 0;
  /** Connections that were cut. */
  cuts = 0;
  /** What a new connection fails with. */
  refusal: Error | null = null;
  readonly #options: CutOptions;
  readonly #served: ServedConnection[] = [];
  #cut: () => void = () => {};
  #isSilent = false;

  constructor(options: CutOptions = {}) {
    this.#options = options;
  }

  /** The options of a client, which is told no pauses. */
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

  /** Cuts the connection that was made last. */
  cut(): void {
    this.#cut();
  }

  /** Swallows what goes over the connection from now on. */
  silence(): void {
    this.#isSilent = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cut();
    await Promise.all(this.#served.map((served) => served.close()));
  }

  #open(): ByteStreams {
    if (this.refusal !== null) throw this.refusal;
    this.made++;
    const [near, far] = memoryPair();
    const { serve, handler, cutAfter = () => Infinity } = this.#options;
    const options = { hostKeys: [ownKey], auth: { none: () => true }, ...serve };
    this.#served.push(serveStreams(far, options, handler));
    let left = cutAfter();
    const fate = (bytes: number) =>
      this.#isSilent ? "swallowed" : (left -= bytes) < 0 ? "cut" : "passed";
    const { streams, cut } = cuttable(near, fate, () => this.cuts++);
    this.#cut = cut;
    return streams;
  }
}

/** Streams that end with an error at both ends once `fate` says so of what passes, or they are cut. */
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
