import type { ForwardAddress } from "../../forward/address.ts";
import { mayOpen } from "../../server/granted_forwards.ts";
import type { ForwardPolicy } from "../../server/options.ts";
import type { SshdOptions } from "./sshd_options.ts";

/** The policy of tunnels, as in sshd_config(5); unlike in sshd, the defaults allow none. */
export function forwardPolicy(options: SshdOptions): ForwardPolicy {
  const allows = (address: ForwardAddress, direction: "local" | "remote") => {
    const { AllowTcpForwarding, AllowStreamLocalForwarding } = options;
    const allowed = ("path" in address ? AllowStreamLocalForwarding : AllowTcpForwarding) ?? "no";
    return allowed === "yes" || allowed === "all" || allowed === direction;
  };
  const { PermitOpen: list } = options;
  const any = list === undefined || list.join() === "any";
  const listed = { portForwarding: true, permitOpen: any ? undefined : list };
  return {
    // PermitOpen lists ports only.
    local: (to) => allows(to, "local") && ("path" in to || mayOpen(listed, to)),
    remote: (bind) => allows(bind, "remote"),
    agent: () => options.AllowAgentForwarding ?? false,
    x11: () => options.X11Forwarding ?? false,
  };
}
