/**
 * OpenTelemetry spans: made where Deno collects them (`OTEL_DENO=true`), and no work at all elsewhere.
 * They say which host, how long and how it ended; never what was run, typed or written.
 */

/** What a span says beside its name and times; what is not known is left out. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Something that takes time. */
export interface Span {
  /** Adds what has come to be known. */
  set(attributes: SpanAttributes): void;
  /** It is over, well or with an error. */
  end(...failure: [] | [error: unknown]): void;
}

/** SpanKind of OpenTelemetry: who asks, and who serves. */
export type SpanKind = "client" | "server";

/** What we use of the tracers that Deno has, which are those of OpenTelemetry's JavaScript API. */
interface PlatformSpan {
  setAttribute(name: string, value: string | number | boolean): void;
  setStatus(status: { code: number; message?: string }): void;
  end(): void;
}
interface Tracer {
  startSpan(name: string, options: { kind: number }): PlatformSpan;
  startActiveSpan<T>(name: string, options: { kind: number }, run: (span: PlatformSpan) => T): T;
}

const KINDS: Readonly<Record<SpanKind, number>> = { server: 1, client: 2 };
const STATUS_ERROR = 2;
const NOTHING: Span = { set: () => {}, end: () => {} };

let tracer: Tracer | null | undefined;

/** Starts a span within the one that is running now. */
export function startSpan(name: string, kind: SpanKind, attributes: SpanAttributes = {}): Span {
  tracer = tracer === undefined ? findTracer() : tracer;
  if (tracer === null) return NOTHING;
  return wrap(tracer.startSpan(name, { kind: KINDS[kind] }), attributes);
}

/** Runs something within a span, which ends with it. */
export async function inSpan<T>(
  name: string,
  kind: SpanKind,
  attributes: SpanAttributes,
  run: (span: Span) => Promise<T>,
): Promise<T> {
  tracer = tracer === undefined ? findTracer() : tracer;
  if (tracer === null) return await run(NOTHING);
  return await tracer.startActiveSpan(name, { kind: KINDS[kind] }, async (started) => {
    const span = wrap(started, attributes);
    try {
      const result = await run(span);
      span.end();
      return result;
    } catch (error) {
      span.end(error);
      throw error;
    }
  });
}

function wrap(span: PlatformSpan, attributes: SpanAttributes): Span {
  const wrapped: Span = {
    set(attributes) {
      for (const [name, value] of Object.entries(attributes)) {
        if (value !== null && value !== undefined) span.setAttribute(name, value);
      }
    },
    end(...failure) {
      if (failure.length > 0) {
        const [error] = failure;
        // An error's message may tell what was run; its kind does not.
        const kind = error instanceof Error ? error.name : typeof error;
        span.setAttribute("error.type", kind);
        span.setStatus({ code: STATUS_ERROR, message: kind });
      }
      span.end();
    },
  };
  wrapped.set(attributes);
  return wrapped;
}

function findTracer(): Tracer | null {
  try {
    const { Deno: platform } = globalThis as unknown as {
      Deno: { telemetry: { tracerProvider: { getTracer(name: string): Tracer } } };
    };
    const found = platform.telemetry.tracerProvider.getTracer("@denossh/ssh");
    found.startSpan("probe", { kind: 0 }); // it throws unless telemetry is on; without an end none is sent
    return found;
  } catch {
    return null;
  }
}
