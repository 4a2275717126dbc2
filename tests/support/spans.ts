/** Spans, as a tracer provider sees them. */

const API = Symbol.for("opentelemetry.js.api.1");

/** A span that has ended. */
export interface Recorded {
  readonly name: string;
  readonly kind: number;
  readonly attributes: Record<string, unknown>;
  status: { code: number; message?: string } | null;
}

/** Registers a tracer provider that keeps ended spans, until it is disposed. */
export function record(
  api: Record<string, unknown> = {},
): Disposable & { readonly ended: Recorded[] } {
  const ended: Recorded[] = [];
  const startSpan = (name: string, { kind }: { kind: number }) => {
    const span: Recorded = { name, kind, attributes: {}, status: null };
    return {
      setAttribute: (key: string, value: unknown) => span.attributes[key] = value,
      setStatus: (status: Recorded["status"]) => span.status = status,
      end: () => ended.push(span),
    };
  };
  type Options = Parameters<typeof startSpan>[1];
  type Span = ReturnType<typeof startSpan>;
  const startActiveSpan = (name: string, options: Options, run: (span: Span) => unknown) =>
    run(startSpan(name, options));
  const trace = { getTracer: () => ({ startSpan, startActiveSpan }) };
  const before = Reflect.get(globalThis, API); // Deno's own, where the tests run with telemetry
  Reflect.set(globalThis, API, { version: "1.9.0", trace, ...api });
  return { ended, [Symbol.dispose]: () => Reflect.set(globalThis, API, before) };
}
