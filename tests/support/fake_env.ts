import { runtime } from "../../lib/runtime/runtime.ts";

/**
 * Replaces environment variables for this module until it is disposed; undefined removes one. Tests
 * that run in parallel share the environment of the process, so that is not changed.
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
