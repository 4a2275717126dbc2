import type { Grant } from "../auth/grant.ts";
import type { ForwardAddress } from "../forward/address.ts";
import { listsBind, listsTarget } from "../forward/address_list.ts";

/** Whether a grant lets a client connect to an address; its list contains only TCP addresses. */
export function mayOpen(
  { portForwarding, permitOpen }: Pick<Grant, "portForwarding" | "permitOpen">,
  to: ForwardAddress,
): boolean {
  return portForwarding && (permitOpen === undefined || listsTarget(permitOpen, to));
}

/** Whether a grant lets a client have the server listen on an address. */
export function mayListen({ portForwarding, permitListen }: Grant, on: ForwardAddress): boolean {
  return portForwarding && (permitListen === undefined || listsBind(permitListen, on));
}
