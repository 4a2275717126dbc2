import type { Connection } from "../connection/connection.ts";
import { SERVER_KEEPALIVE_MS } from "../defaults.ts";
import type { Transport } from "../transport/transport.ts";
import { onTimeout } from "../waiting.ts";
import { DISCONNECT } from "../wire/numbers.ts";
import type { ServeOptions } from "./options.ts";

/** How often a limit is checked while it runs. */
const LOOKS = 10;

/** Disconnects clients that are dead, idle or connected for too long, according to the options. */
export function limitTime(
  transport: Transport,
  connection: Connection,
  options: Pick<
    ServeOptions,
    | "keepaliveInterval"
    | "keepaliveCount"
    | "idleTimeout"
    | "unusedConnectionTimeout"
    | "maxSessionTime"
    | "channelTimeouts"
  >,
): void {
  const { keepaliveInterval = SERVER_KEEPALIVE_MS, keepaliveCount, channelTimeouts } = options;
  const { idleTimeout = 0, unusedConnectionTimeout = 0, maxSessionTime = 0 } = options;
  if (keepaliveInterval > 0) connection.keepalive(keepaliveInterval, keepaliveCount);
  if (channelTimeouts) connection.closeIdle(channelTimeouts);
  const end = (why: string) => transport.disconnect(DISCONNECT.BY_APPLICATION, why);
  const running = new DisposableStack();
  const watch = (limit: number, watched: () => unknown, isIdle: () => boolean, why: string) => {
    if (limit > 0) running.use(endIdle(limit, watched, isIdle, () => end(why)));
  };
  const data = () => `${connection.channelCount} ${connection.carried}`;
  const channels = () => connection.channelCount;
  watch(idleTimeout, data, () => true, `No data for ${idleTimeout} ms`);
  watch(
    unusedConnectionTimeout,
    channels,
    () => channels() === 0,
    `No channel for ${unusedConnectionTimeout} ms`,
  );
  if (maxSessionTime > 0) {
    running.use(
      onTimeout(maxSessionTime, () => end(`The session has lasted for ${maxSessionTime} ms`)),
    );
  }
  transport.closed.then(() => running.dispose());
}

/** Calls `end` once the watched value has been idle and unchanged for the given time. */
function endIdle(
  limit: number,
  watched: () => unknown,
  isIdle: () => boolean,
  end: () => void,
): Disposable {
  let last = watched();
  let since = performance.now();
  const timer = setInterval(() => {
    const now = watched();
    if (now === last && isIdle()) {
      if (performance.now() - since >= limit) end();
      return;
    }
    last = now;
    since = performance.now();
  }, limit / LOOKS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
