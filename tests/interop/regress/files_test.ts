/** OpenSSH's regress scripts about files. */
import { regressTest, type Suite } from "./runner.ts";

const SUITES: readonly Suite[] = [
  {
    ours: ["sftp-server"],
    quick: ["sftp-badcmds", "sftp-batch"],
    slow: ["sftp-glob", "sftp", "sftp-cmds", "sftp-perm", "scp", "scp3", "scp-uri"],
  },
  {
    ours: ["sftp"],
    quick: ["sftp-badcmds", "sftp-batch"],
    slow: ["sftp-glob", "sftp", "sftp-cmds", "sftp-perm", "sftp-uri", "sftp-chroot"],
  },
  { ours: ["scp"], quick: ["scp3"], slow: ["scp", "scp-uri"] },
  { ours: ["sftp-server", "sftp", "scp"], quick: ["sftp-glob"], slow: ["sftp-cmds", "scp"] },
];

for (const suite of SUITES) regressTest(suite);
