import type { Channel } from "./channel.ts";
import type { CallOptions } from "./waiting.ts";

/**
 * A peer's wish for a channel; `accept` or `reject` answers it.
 *
 * @example
 * ```ts
 * import type { IncomingOpen } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pair = await connectedPair({
 *   serve: {
 *     onConnection: async (connection) => {
 *       for await (const open of connection.incoming) answer(open);
 *     },
 *   },
 * });
 * function answer(open: IncomingOpen): void {
 *   if (open.type === "mail@example.com") void open.accept(open.data).close();
 *   else open.reject(3, "Only mail is taken here");
 * }
 * const extra = new TextEncoder().encode("a letter");
 * await using channel = await pair.host.openChannel("mail@example.com", { extra });
 * assertEquals(channel.extra, extra); // sent back with the answer
 * ```
 */
export interface IncomingOpen {
  /** The type of the channel. */
  readonly type: string;
  /** What follows the fixed fields of the message, owned. */
  readonly data: Uint8Array;
  /**
   * Opens the channel.
   *
   * @param extra What the answer adds for the peer, which finds it in {@linkcode Channel.extra}
   * @throws {ClosedError} If the connection is over
   */
  accept(extra?: Uint8Array): Channel;
  /** Refuses, with a reason of RFC 4254 §5.1: 1, prohibited, unless given. */
  reject(reason?: number, message?: string): void;
}

/**
 * A peer's global request; returns the reply's data, or null to refuse.
 *
 * @example
 * ```ts
 * import type { GlobalHandler } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * const version: GlobalHandler = () => new TextEncoder().encode("1.2.3");
 * await using pair = await connectedPair({
 *   serve: { onConnection: (connection) => connection.handleGlobals("version@example.com", version) },
 * });
 * const answer = await pair.host.request("version@example.com");
 * assertEquals(new TextDecoder().decode(answer), "1.2.3");
 * ```
 */
export type GlobalHandler = (data: Uint8Array) => Uint8Array | null | Promise<Uint8Array | null>;

/**
 * A connection as its channels see it, in either role (RFC 4254).
 *
 * @example
 * ```ts
 * import type { ChannelOwner } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pair = await connectedPair({ handler: (session) => session.print("second") });
 * await using first = await pair.host.openSession();
 * const connection: ChannelOwner = first.connection;
 * await using second = await connection.openChannel("session");
 * assertEquals([connection.role, connection.channelCount], ["client", 2]);
 * await second.shell();
 * assertEquals(await Array.fromAsync(second.lines()), ["second"]);
 * ```
 */
export interface ChannelOwner {
  /** Which end this is. */
  readonly role: "client" | "server";
  /** Channels open now or being opened. */
  readonly channelCount: number;
  /**
   * The channels that the peer wants to open, of types that SSH itself does not know: those are
   * refused until a loop asks for them, and again when it is left.
   */
  readonly incoming: AsyncIterable<IncomingOpen, undefined>;
  /**
   * Opens a channel of any type (RFC 4254 §5.1).
   *
   * @throws {ChannelOpenError} If the peer refuses
   */
  openChannel(
    type: string,
    options?: CallOptions & { readonly extra?: Uint8Array },
  ): Promise<Channel>;
  /**
   * Sends a global request and returns the data of the answer (RFC 4254 §4).
   *
   * @throws {RequestDeniedError} If the peer refuses
   */
  request(type: string, data?: Uint8Array, options?: CallOptions): Promise<Uint8Array>;
  /** Sends a global request that needs no answer. */
  notify(type: string, data?: Uint8Array): void;
  /** From now on the handler answers the peer's global requests of a type; others are refused. */
  handleGlobals(type: string, handler: GlobalHandler): void;
}
