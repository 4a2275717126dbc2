import type { Channel } from "../connection/channel.ts";
import { EXPECT_TIMEOUT_MS } from "../defaults.ts";
import { ExpectError, printable } from "../errors.ts";
import { type CallOptions, onAbort, onTimeout } from "../waiting.ts";
import { type Pattern, type PatternMatch, PatternSearch } from "./pattern_search.ts";

/** The most bytes to search at a time. */
const BATCH_BYTES = 32 * 1024;
/** Characters of the last output to show in an error. */
const SHOWN = 400;

/** Options of {@linkcode Process.expect}. */
export interface ExpectOptions extends CallOptions {
  /** Maximum milliseconds to wait; 30,000 by default, `Infinity` for no limit. */
  readonly timeout?: number | undefined;
  /** The output, `"stdout"` by default. A terminal has no other. */
  readonly stream?: "stdout" | "stderr" | undefined;
}

/** Waits for patterns in one output of a channel. Data after a match is put back. */
export class Expecter {
  readonly #channel: Channel;
  readonly #stream: "stdout" | "stderr";
  /** The last character of the last match. */
  #before = "";
  #isWaiting = false;

  constructor(channel: Channel, stream: "stdout" | "stderr") {
    this.#channel = channel;
    this.#stream = stream;
  }

  /**
   * Waits until one of the patterns appears.
   *
   * @throws {ExpectError} If none appears in time, or the output ends; it can still be read
   * @throws {TypeError} If another call waits, or a pattern is invalid
   */
  async expect(
    patterns: Pattern | readonly Pattern[],
    { timeout = EXPECT_TIMEOUT_MS, signal }: ExpectOptions = {},
  ): Promise<PatternMatch> {
    const list = Array.isArray(patterns) ? patterns as readonly Pattern[] : [patterns as Pattern];
    const search = new PatternSearch(list, this.#before);
    if (!(timeout >= 0)) throw new RangeError(`timeout must be at least 0 ms, not ${timeout}`);
    if (this.#isWaiting) throw new TypeError("Cannot expect: another call waits on this output");
    this.#isWaiting = true;
    const limit = new AbortController();
    using _aborted = onAbort(signal, (reason) => limit.abort(reason));
    using _late = onTimeout(timeout === Infinity ? undefined : timeout, () => {
      limit.abort(failure(list, search, `within ${timeout} ms`, { timeout: true }));
    });
    try {
      const match = await this.#find(search, limit.signal);
      if (match === null) throw failure(list, search, "before the output ended");
      this.#channel.unread(search.rest(), this.#stream);
      this.#before = match.text.slice(-1) || this.#before;
      return match;
    } catch (error) {
      this.#channel.unread(search.kept(), this.#stream);
      throw error;
    } finally {
      this.#isWaiting = false;
    }
  }

  /** Reads until there is a match; null at the end. */
  async #find(search: PatternSearch, signal: AbortSignal): Promise<PatternMatch | null> {
    let unsearched = 0;
    for (let chunk; (chunk = await this.#readChunk(signal)) !== null;) {
      search.push(chunk);
      unsearched += chunk.length;
      // Collect what has arrived, so that a peer that sends single bytes does not cause a search for each.
      if (unsearched < BATCH_BYTES && this.#readable > 0) continue;
      unsearched = 0;
      const match = search.find();
      if (match !== null) return match;
    }
    search.end();
    return search.find();
  }

  #readChunk(signal: AbortSignal): Promise<Uint8Array<ArrayBuffer> | null> {
    const channel = this.#channel;
    return this.#stream === "stdout"
      ? channel.readChunk({ signal })
      : channel.readStderrChunk({ signal });
  }

  get #readable(): number {
    const { readableBytes, readableStderrBytes } = this.#channel;
    return this.#stream === "stdout" ? readableBytes : readableStderrBytes;
  }
}

function failure(
  patterns: readonly Pattern[],
  search: PatternSearch,
  when: string,
  options: { timeout?: boolean } = {},
): ExpectError {
  const wanted = patterns.map((each) => typeof each === "string" ? JSON.stringify(each) : each);
  const received = new TextDecoder().decode(search.kept().subarray(-4 * SHOWN)).slice(-SHOWN);
  const last = received === ""
    ? "nothing came"
    : `the last that came was "${printable(received, SHOWN)}"`;
  const message = `Expected ${wanted.join(" or ")}, which did not come ${when}: ${last}`;
  return new ExpectError(message, { ...options, received });
}
