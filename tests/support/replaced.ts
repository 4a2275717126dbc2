/** Replaces the value of a property until the result is disposed. */
export function replaced<T extends object, K extends keyof T>(
  target: T,
  name: K,
  value: T[K],
): Disposable {
  const before = Object.getOwnPropertyDescriptor(target, name);
  Object.defineProperty(target, name, { value, configurable: true, writable: true });
  return {
    [Symbol.dispose]() {
      if (before === undefined) delete target[name];
      else Object.defineProperty(target, name, before);
    },
  };
}
