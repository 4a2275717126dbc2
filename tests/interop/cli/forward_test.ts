/** Tunnels and jump hosts of our `ssh` through OpenSSH's server. */
import { carriesTunnels, jumps, meetsTakenPort } from "../../cli/cases/forward.ts";
import { peerTest } from "../harness/peers.ts";
import { startSshd } from "../harness/sshd.ts";

for (
  const [name, run] of [
    ["ssh -N carries -L, -R and -D through OpenSSH", carriesTunnels],
    ["ssh -J goes through OpenSSH", jumps],
    ["A port in use is a warning, or the end if so asked, with OpenSSH", meetsTakenPort],
  ] as const
) {
  await peerTest(["sshd"], name, async () => {
    await using server = await startSshd();
    await run(server);
  });
}
