/**
 * A stand-in for `jsr:@std/streams` where JSR is out of reach: the functions that we use, with the
 * same types, over the platform's streams. See the README on why it is here.
 *
 * @module
 */

/** The type of a `Uint8Array` that owns its buffer. */
export type Uint8Array_ = ReturnType<Uint8Array["slice"]>;

/** Collects a stream of bytes. */
export async function toBytes(stream: ReadableStream<Uint8Array>): Promise<Uint8Array_> {
  return new Uint8Array(await new Response(stream as ReadableStream<Uint8Array_>).arrayBuffer());
}

/** Collects a stream of text, or of bytes of UTF-8 text. */
export async function toText(
  stream: ReadableStream<string> | ReadableStream<Uint8Array>,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** Merges streams into one, chunk by chunk as they come; the first error ends it. */
export function mergeReadableStreams<T>(...streams: ReadableStream<T>[]): ReadableStream<T> {
  const { readable, writable } = new TransformStream<T, T>();
  const writer = writable.getWriter();
  const pump = async (stream: ReadableStream<T>) => {
    for await (const chunk of stream) await writer.write(chunk);
  };
  Promise.all(streams.map(pump))
    .then(() => writer.close(), (error) => writer.abort(error))
    .catch(() => {}); // the reader has cancelled
  return readable;
}

/** Splits text at line ends, LF or CRLF, and drops them; with `allowCR`, at a lone CR as well. */
export class TextLineStream extends TransformStream<string, string> {
  /** Creates the stream. */
  constructor(options: { allowCR?: boolean } = { allowCR: false }) {
    const allowCR = options.allowCR ?? false;
    let rest = "";
    super({
      transform(chunk, controller) {
        rest += chunk;
        // A CR at the very end may be half of a CRLF, so it waits for the next chunk.
        const end = allowCR ? /\r\n|\n|\r(?!$)/g : /\r?\n/g;
        let start = 0;
        for (const match of rest.matchAll(end)) {
          controller.enqueue(rest.slice(start, match.index));
          start = match.index + match[0].length;
        }
        rest = rest.slice(start);
      },
      flush(controller) {
        if (rest === "") return;
        controller.enqueue(allowCR && rest.endsWith("\r") ? rest.slice(0, -1) : rest);
      },
    });
  }
}

/** Passes chunks on while their sum is at most `size` bytes; then ends, or fails if `error` is set. */
export class LimitedBytesTransformStream extends TransformStream<Uint8Array, Uint8Array> {
  /** Creates the stream. */
  constructor(size: number, options: { error?: boolean } = { error: false }) {
    let passed = 0;
    super({
      transform(chunk, controller) {
        passed += chunk.byteLength;
        if (passed <= size) {
          controller.enqueue(chunk);
        } else if (options.error) {
          throw new RangeError(`Exceeded byte size limit of '${size}'`);
        } else {
          controller.terminate();
        }
      },
    });
  }
}
