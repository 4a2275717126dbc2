import type { ForwardAddress } from "./address.ts";

/** Decides about one address; only `true` allows, an exception refuses. */
export type ForwardPermit = (address: ForwardAddress) => boolean | Promise<boolean>;

/** What a client may do with this side's network; what is not there is refused. */
export interface ForwardPermits {
  /** Where it may connect to. */
  readonly local?: ForwardPermit | undefined;
  /** Where it may have us listen. */
  readonly remote?: ForwardPermit | undefined;
}
