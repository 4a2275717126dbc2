import type { Readable, Writable } from "node:stream";
import { SOCKET_READ_BYTES } from "../defaults.ts";

/** A read that waits for data. */
interface Waiting {
  /** The memory for the data; null for the next chunk of any size. */
  readonly into: Uint8Array | null;
  readonly resolve: (got: Uint8Array | number | null) => void;
  readonly reject: (error: unknown) => void;
}

/** Reads a Node stream into memory of the caller, like `Deno.Conn`. */
export class NodeReader {
  readonly #stream: Readable;
  readonly #most: number;
  readonly #chunks: Uint8Array[] = [];
  #held = 0;
  #phase: "flowing" | "paused" | "ended" = "flowing";
  #error: unknown = null;
  #waiting: Waiting | null = null;

  /** @param most The stream is paused while more bytes than this are unread */
  constructor(stream: Readable, most: number = SOCKET_READ_BYTES) {
    this.#stream = stream;
    this.#most = most;
    // Listen immediately, because Node discards the output of a program that ends before.
    stream.on("data", (chunk: Uint8Array) => this.#come(chunk));
    stream.once("end", () => this.#end());
    stream.once("error", (error) => this.fail(error));
    stream.once("close", () => this.#end());
  }

  /** Reads into the buffer; null at the end. */
  read(into: Uint8Array): Promise<number | null> {
    if (this.#chunks.length > 0) return Promise.resolve(this.#take(into));
    return this.#wait(into) as Promise<number | null>;
  }

  /** The next bytes, owned by the caller; null at the end. */
  readChunk(): Promise<Uint8Array<ArrayBuffer> | null> {
    const chunk = this.#chunks.shift();
    if (chunk === undefined) return this.#wait(null) as Promise<Uint8Array<ArrayBuffer> | null>;
    this.#held -= chunk.length;
    this.#flow();
    return Promise.resolve(chunk as Uint8Array<ArrayBuffer>);
  }

  /** Fails the waiting read and later ones. */
  fail(error: unknown): void {
    if (this.#phase === "ended") return;
    this.#error = error;
    this.#end();
  }

  #wait(into: Uint8Array | null): Promise<Uint8Array | number | null> {
    if (this.#error !== null) return Promise.reject(this.#error);
    if (this.#phase === "ended") return Promise.resolve(null);
    if (this.#waiting !== null) return Promise.reject(new TypeError("A read is under way already"));
    return new Promise((resolve, reject) => {
      this.#waiting = { into, resolve, reject };
      this.#flow();
    });
  }

  /** Resumes the stream, unless enough is unread. */
  #flow(): void {
    if (this.#phase !== "paused" || this.#held >= this.#most) return;
    this.#phase = "flowing";
    this.#stream.resume();
  }

  #come(chunk: Uint8Array): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    // Not the Buffer itself, because its slice() does not copy.
    const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
    if (waiting !== null && waiting.into === null) waiting.resolve(bytes);
    else {
      this.#chunks.push(bytes);
      this.#held += bytes.length;
      waiting?.resolve(this.#take(waiting.into!));
    }
    if (this.#held < this.#most || this.#phase !== "flowing") return;
    this.#phase = "paused";
    this.#stream.pause();
  }

  /** Copies unread bytes, as many as fit. */
  #take(into: Uint8Array): number {
    const chunks = this.#chunks;
    let at = 0;
    while (chunks.length > 0 && at < into.length) {
      const chunk = chunks[0]!;
      const room = into.length - at;
      if (chunk.length > room) {
        into.set(chunk.subarray(0, room), at);
        chunks[0] = chunk.subarray(room);
        at += room;
      } else {
        into.set(chunk, at);
        chunks.shift();
        at += chunk.length;
      }
    }
    this.#held -= at;
    this.#flow();
    return at;
  }

  #end(): void {
    this.#phase = "ended";
    const waiting = this.#waiting;
    this.#waiting = null;
    if (this.#error !== null) waiting?.reject(this.#error);
    else waiting?.resolve(null);
  }
}

/** Writes all of the bytes; resolves when they may be used again. */
export function writeTo(stream: Writable, bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    stream.write(bytes, (error) => error ? reject(error) : resolve(bytes.length));
  });
}

/** Ends the stream after all writes. */
export function endOf(stream: Writable): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.once("error", reject);
    stream.end(() => resolve());
  });
}

/**
 * Converts a Node stream to a Web byte stream. Node's own conversion detaches buffers that are still in
 * use.
 */
export function webReadable(
  stream: Readable,
  reader: NodeReader = new NodeReader(stream),
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    type: "bytes",
    async pull(controller) {
      const request = controller.byobRequest;
      if (request?.view) {
        const { buffer, byteOffset, byteLength } = request.view;
        const count = await reader.read(new Uint8Array(buffer, byteOffset, byteLength));
        if (count === null) controller.close();
        request.respond(count ?? 0);
      } else {
        const chunk = await reader.readChunk();
        if (chunk === null) controller.close();
        else if (chunk.length > 0) controller.enqueue(chunk);
      }
    },
    cancel: () => void stream.destroy(),
  }, { highWaterMark: 0 }) as ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** Converts a Node stream to a Web stream. */
export function webWritable(stream: Writable): WritableStream<Uint8Array> {
  return new WritableStream<Uint8Array>({
    start: (controller) => void stream.once("error", (error) => controller.error(error)),
    write: (chunk) => writeTo(stream, chunk).then(() => {}),
    close: () => endOf(stream),
    abort: () => void stream.destroy(),
  });
}
