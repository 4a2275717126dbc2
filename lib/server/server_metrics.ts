import { findMeter, type Meter, observe } from "../metrics.ts";
import { runtime } from "../runtime/runtime.ts";
import type { Socket } from "../transport/socket.ts";

/** How often the delay of the event loop is measured, in milliseconds. */
const LOOP_MS = 500;

/** The outcome of a connection's login; `refused` if it did not begin. */
export type LoginOutcome =
  | "accepted"
  | "refused"
  | "authFail"
  | "invalidUser"
  | "noAuth"
  | "graceExceeded";

/** The values that the metrics of a server read. */
export interface MeasuredServer {
  readonly connections: number;
  /** Channels open on all connections. */
  readonly channels: number;
}

/** The metrics of one server; measured only while they are collected. */
export interface ServerMetrics extends Disposable {
  login(outcome: LoginOutcome): void;
  /** A socket whose bytes are counted. */
  counted(socket: Socket): Socket;
}

const NONE: ServerMetrics = {
  login: () => {},
  counted: (socket) => socket,
  [Symbol.dispose]: () => {},
};

/** Starts to measure a server, until the result is disposed of. */
export function measure(server: MeasuredServer): ServerMetrics {
  const meter = findMeter();
  return meter === null ? NONE : new Measurement(meter, server);
}

class Measurement implements ServerMetrics {
  readonly #logins;
  readonly #bytes;
  readonly #running = new DisposableStack();

  constructor(meter: Meter, server: MeasuredServer) {
    this.#logins = meter.createCounter("ssh.server.logins", {
      unit: "{login}",
      description: "Connections by how their login ended",
    });
    this.#bytes = meter.createCounter("ssh.server.io", {
      unit: "By",
      description: "Bytes over the sockets of clients",
    });
    const options = { unit: "{connection}", description: "Connections, logged in or not" };
    this.#running.use(observe(meter, "ssh.server.connections", options, () => server.connections));
    const channels = { unit: "{channel}", description: "Channels of all connections" };
    this.#running.use(observe(meter, "ssh.server.channels", channels, () => server.channels));
    this.#measureLoop(meter);
  }

  login(outcome: LoginOutcome): void {
    this.#logins.add(1, { "ssh.login.outcome": outcome });
  }

  counted(socket: Socket): Socket {
    const bytes = this.#bytes;
    const [received, sent] = [{ "network.io.direction": "receive" }, {
      "network.io.direction": "transmit",
    }];
    return {
      ...socket,
      async read(into) {
        const n = await socket.read(into);
        if (n !== null) bytes.add(n, received);
        return n;
      },
      async write(data) {
        await socket.write(data);
        bytes.add(data.length, sent);
      },
    };
  }

  [Symbol.dispose](): void {
    this.#running.dispose();
  }

  /** The delay of the event loop: how late a timer runs. */
  #measureLoop(meter: Meter): void {
    const delay = meter.createHistogram("ssh.server.event_loop.delay", {
      unit: "s",
      description: "How much later than due timers run",
    });
    let due = performance.now() + LOOP_MS;
    const timer = setInterval(() => {
      const now = performance.now();
      delay.record(Math.max(0, now - due) / 1000);
      due = now + LOOP_MS;
    }, LOOP_MS);
    runtime.unrefTimer(timer);
    this.#running.defer(() => clearInterval(timer));
  }
}
