import { runtime } from "../runtime/runtime.ts";

/** Calls a function on any of the signals; disposing stops this. */
export function onSignals(
  signals: readonly Deno.Signal[],
  handler: (signal: Deno.Signal) => void,
): Disposable {
  // Windows sends Ctrl-C, but none of the other signals.
  const known = runtime.os === "windows" ? signals.filter((s) => s === "SIGINT") : signals;
  const listeners = known.map((signal) => [signal, () => handler(signal)] as const);
  const { process } = runtime;
  for (const [signal, listener] of listeners) process.addSignalListener(signal, listener);
  return {
    [Symbol.dispose]() {
      for (const [signal, listener] of listeners) process.removeSignalListener(signal, listener);
    },
  };
}
