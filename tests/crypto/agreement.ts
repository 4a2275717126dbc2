import { unreachable } from "@std/assert";
import type { Agreement, KexMethod } from "../../lib/crypto/kex/kex_method.ts";

/** The key agreement of a method with fixed parameters. */
export function agreementOf(method: KexMethod): Promise<Agreement> {
  return method.request({
    maxGroupBits: 0,
    send: () => unreachable(),
    receive: () => unreachable(),
  });
}
