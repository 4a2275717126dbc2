import type { AuthMethod } from "./auth_method.ts";

/**
 * No credential at all (RFC 4252 §5.2): some servers let a user in, others tell what they want.
 *
 * @returns The method
 *
 * @example
 * ```ts
 * import { none } from "@denossh/ssh";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(none().name, "none");
 * ```
 */
export function none(): AuthMethod {
  return {
    name: "none",
    eager: true,
    authenticate: (dialog) => dialog.request(new Uint8Array(0)),
  };
}
