/**
 * A stand-in for `jsr:@std/assert` where JSR is out of reach: the functions that our tests use, with
 * the same types, over `node:assert`. See the README on why it is here.
 *
 * @module
 */
import nodeAssert, { AssertionError } from "node:assert";

// deno-lint-ignore no-explicit-any
type AnyConstructor = abstract new (...args: any[]) => any;
// deno-lint-ignore no-explicit-any
type ErrorConstructorOf<E extends Error> = abstract new (...args: any[]) => E;

export { AssertionError };

/** Asserts that `expr` is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) fail(msg || undefined);
}

/** Asserts that the two values are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  nodeAssert.deepStrictEqual(actual, expected, explain(msg, actual, expected)!);
}

/** Asserts that the two values are not deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  nodeAssert.notDeepStrictEqual(actual, expected, msg!);
}

/** Asserts that the two values are the same, as `Object.is` has it. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  nodeAssert.strictEqual(actual, expected, explain(msg, actual, expected)!);
}

/** Asserts that the value is neither null nor undefined. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  if (actual === null || actual === undefined) {
    fail(`Expected a value, got ${actual}${suffix(msg)}`);
  }
}

/** Asserts that the value is an instance of the class. */
export function assertInstanceOf<T extends AnyConstructor>(
  actual: unknown,
  expectedType: T,
  msg = "",
): asserts actual is InstanceType<T> {
  if (!(actual instanceof expectedType)) {
    fail(`Expected an instance of ${expectedType.name}, got ${kindOf(actual)}${suffix(msg)}`);
  }
}

/** Asserts that the text contains the other text. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (!actual.includes(expected)) {
    fail(
      `Expected ${JSON.stringify(actual)} to contain ${JSON.stringify(expected)}${suffix(msg)}`,
    );
  }
}

/** Asserts that the text matches the pattern. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (!expected.test(actual)) {
    fail(`Expected ${JSON.stringify(actual)} to match ${expected}${suffix(msg)}`);
  }
}

/** Asserts that the function throws, and returns what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Asserts that the function throws an error of the class, and returns the error. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: ErrorConstructorOf<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  classOrMsg?: ErrorConstructorOf<Error> | string,
  msgIncludes?: string,
  msg?: string,
): unknown {
  let thrown: unknown;
  try {
    fn();
  } catch (error) {
    thrown = error;
    return judge(thrown, classOrMsg, msgIncludes, msg);
  }
  fail(
    `Expected the function to throw${suffix(typeof classOrMsg === "string" ? classOrMsg : msg)}`,
  );
}

/** Asserts that the promise rejects, and returns what it rejected with. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Asserts that the promise rejects with an error of the class, and returns the error. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: ErrorConstructorOf<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  classOrMsg?: ErrorConstructorOf<Error> | string,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  const note = typeof classOrMsg === "string" ? classOrMsg : msg;
  let promise: PromiseLike<unknown> | undefined;
  try {
    promise = fn();
    await promise;
  } catch (error) {
    // As in the original, a function that throws synchronously did not reject.
    if (promise === undefined) {
      fail(`Function throws when expected to reject${suffix(note)}`, error);
    }
    return judge(error, classOrMsg, msgIncludes, msg);
  }
  fail(`Expected the promise to reject${suffix(note)}`);
}

/** Fails the test. */
export function fail(msg?: string, cause?: unknown): never {
  const error = new AssertionError({ message: msg ? msg : "Failed assertion" });
  if (cause !== undefined) error.cause = cause;
  throw error;
}

/** Fails the test: this line must not be reached. */
export function unreachable(msg?: string): never {
  fail(msg ?? "Unreachable");
}

function judge(
  thrown: unknown,
  classOrMsg: ErrorConstructorOf<Error> | string | undefined,
  msgIncludes: string | undefined,
  msg: string | undefined,
): unknown {
  if (classOrMsg === undefined || typeof classOrMsg === "string") return thrown;
  if (!(thrown instanceof classOrMsg)) {
    fail(`Expected ${classOrMsg.name}, got ${kindOf(thrown)}${suffix(msg)}`, thrown);
  }
  if (msgIncludes !== undefined && !thrown.message.includes(msgIncludes)) {
    const wanted = JSON.stringify(msgIncludes);
    fail(`Expected a message with ${wanted}, got "${thrown.message}"${suffix(msg)}`, thrown);
  }
  return thrown;
}

// node:assert drops its diff when given a message; keep both.
function explain(msg: string | undefined, actual: unknown, expected: unknown): string | undefined {
  if (msg === undefined) return undefined;
  return `${msg}: ${Deno.inspect(actual)} is not ${Deno.inspect(expected)}`;
}

function kindOf(value: unknown): string {
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  return value === null ? "null" : typeof value;
}

function suffix(msg: string | undefined): string {
  return msg ? `: ${msg}` : "";
}
