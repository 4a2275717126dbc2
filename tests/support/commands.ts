/**
 * Commands for tests of servers: shell builtins and Deno only, so that no other program needs to be
 * installed.
 */
const DENO = `'${Deno.execPath()}' eval --no-config --quiet`;

/** Copies standard input to standard output. */
export const CAT: string = `${DENO} 'await Deno.stdin.readable.pipeTo(Deno.stdout.writable)'`;

/** Waits until it is killed. */
export const WAIT: string = `exec ${DENO} 'setInterval(() => {}, 60_000)'`;

/** Waits for a time. */
export function waitFor(milliseconds: number): string {
  return `${DENO} 'setTimeout(() => {}, ${milliseconds})'`;
}

/** Prints lines until the reader closes the pipe. */
export const YES: string = "while echo y 2> /dev/null; do :; done";
