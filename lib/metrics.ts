/**
 * OpenTelemetry metrics, used only if a meter provider is registered before: by Deno with `OTEL_DENO=true`,
 * elsewhere by the program's OpenTelemetry SDK.
 */

/** Attributes of a measurement. */
export type MetricAttributes = Readonly<Record<string, string>>;

/** A count that only grows. */
export interface Counter {
  add(value: number, attributes?: MetricAttributes): void;
}

/** Values whose distribution is of interest. */
export interface Histogram {
  record(value: number, attributes?: MetricAttributes): void;
}

/** A value that is read at each collection. */
interface Observable {
  addCallback(observe: ObservableCallback): void;
  removeCallback(observe: ObservableCallback): void;
}
type ObservableCallback = (
  result: { observe(value: number, attributes?: MetricAttributes): void },
) => void;

/** The part of OpenTelemetry's JavaScript API that is used here. */
export interface Meter {
  createCounter(name: string, options: MetricOptions): Counter;
  createHistogram(name: string, options: MetricOptions): Histogram;
  createObservableGauge(name: string, options: MetricOptions): Observable;
}

/** The description of a metric. */
export interface MetricOptions {
  readonly unit: string;
  readonly description: string;
}

/** The global property under which `@opentelemetry/api` 1.x and Deno register providers. */
const API = Symbol.for("opentelemetry.js.api.1");

/** The meter of this module, or null if nothing collects metrics. */
export function findMeter(): Meter | null {
  const api = (globalThis as { [API]?: { metrics?: { getMeter(name: string): Meter } } })[API];
  return api?.metrics?.getMeter("@denossh/ssh") ?? null;
}

/** Registers a value that is read at each collection, until the result is disposed of. */
export function observe(
  meter: Meter,
  name: string,
  options: MetricOptions,
  value: () => number,
): Disposable {
  const gauge = meter.createObservableGauge(name, options);
  const callback: ObservableCallback = (result) => result.observe(value());
  gauge.addCallback(callback);
  return { [Symbol.dispose]: () => gauge.removeCallback(callback) };
}
