/** Our `tunnel` through OpenSSH's server. */
import {
  bindsAndChecks,
  connectsAgain,
  goesThroughAnother,
  tellsWhyItCannotStart,
} from "../../cli/cases/tunnel.ts";
import { peerTest } from "../harness/peers.ts";
import { startSshd } from "../harness/sshd.ts";

for (
  const [name, run] of [
    ["several binds, a free local port, and a check", bindsAndChecks],
    ["connects again, starts again at SIGHUP, ends at SIGTERM", connectsAgain],
    ["a gateway behind another, with a password", goesThroughAnother],
    ["a failed start prints one line and exits with 1", tellsWhyItCannotStart],
  ] as const
) {
  await peerTest(["sshd"], `tunnel through OpenSSH: ${name}`, async () => {
    await using gateway = await startSshd();
    await run(gateway);
  });
}
