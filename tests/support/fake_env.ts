import { runtime } from "../../lib/runtime/runtime.ts";

/**
 * Other environment variables for this module, until it is disposed: undefined for none. The process has
 * only one environment, which tests that run in parallel read, so it stays as it is.
 */
export function fakeEnv(changes: Readonly<Record<string, string | undefined>>): Disposable {
  const { env } = runtime;
  const get = (name: string) => Object.hasOwn(changes, name) ? changes[name] : env.get(name);
  const toObject = () => {
    const known = Object.entries({ ...env.toObject(), ...changes });
    return Object.fromEntries(known.filter((entry): entry is [string, string] => !!entry[1]));
  };
  const replace = (value: typeof env) =>
    Object.defineProperty(runtime, "env", { value, configurable: true });
  replace({ get, toObject });
  return { [Symbol.dispose]: () => void replace(env) };
}
