import { unreachable } from "@std/assert";
import type { Agreement, KexMethod } from "../../lib/crypto/kex/kex_method.ts";

/** The agreement of a method whose name settles everything. */
export function agreementOf(method: KexMethod): Promise<Agreement> {
  return method.request({
    maxGroupBits: 0,
    send: () => unreachable(),
    receive: () => unreachable(),
  });
}
