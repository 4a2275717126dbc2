import type { AuthMethod } from "./auth_method.ts";

/**
 * No credential (RFC 4252 §5.2): some servers let the user in, others answer with the methods that
 * they allow.
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
