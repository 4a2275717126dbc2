/**
 * OpenTelemetry spans, used only if a tracer provider is registered: by Deno with `OTEL_DENO=true`,
 * elsewhere by the program's OpenTelemetry SDK. They record the host, the duration and the outcome, never
 * commands, input or file contents.
 */

/** Attributes of a span; null and undefined are left out. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** One timed operation. */
export interface Span {
  /** Adds attributes. */
  set(attributes: SpanAttributes): void;
  /** Ends the span; an argument marks it as failed with that error. */
  end(...failure: [] | [error: unknown]): void;
}

/** The role of this side in the operation, OpenTelemetry's SpanKind. */
export type SpanKind = "client" | "server";

/** The part of OpenTelemetry's JavaScript API that is used here. */
interface PlatformSpan {
  setAttribute(name: string, value: string | number | boolean): void;
  setStatus(status: { code: number; message?: string }): void;
  end(): void;
}
interface Tracer {
  startSpan(name: string, options: { kind: number }): PlatformSpan;
  startActiveSpan<T>(name: string, options: { kind: number }, run: (span: PlatformSpan) => T): T;
}
interface TelemetryApi {
  readonly trace?: { getTracer(name: string): Tracer };
}

/** The global property under which `@opentelemetry/api` 1.x and Deno register providers. */
const API = Symbol.for("opentelemetry.js.api.1");
const KINDS: Readonly<Record<SpanKind, number>> = { server: 1, client: 2 };
const STATUS_ERROR = 2;
const NOTHING: Span = { set: () => {}, end: () => {} };

/** Starts a span as a child of the active one. */
export function startSpan(name: string, kind: SpanKind, attributes: SpanAttributes = {}): Span {
  const tracer = findTracer();
  if (tracer === null) return NOTHING;
  return wrap(tracer.startSpan(name, { kind: KINDS[kind] }), attributes);
}

/** Calls `run` within an active span and ends the span when its promise settles. */
export async function inSpan<T>(
  name: string,
  kind: SpanKind,
  attributes: SpanAttributes,
  run: (span: Span) => Promise<T>,
): Promise<T> {
  const tracer = findTracer();
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
        // The message of an error may contain a command; its name does not.
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

/**
 * Looked up for every span, because a program may register its provider late. `Deno.telemetry` is
 * not used: with telemetry off, its `getTracer` panics in Deno 2.4.1 to 2.7.3.
 */
function findTracer(): Tracer | null {
  const api = (globalThis as { [API]?: TelemetryApi })[API];
  return api?.trace?.getTracer("@denossh/ssh") ?? null;
}
