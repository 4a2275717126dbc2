/** OpenSSH's regress scripts about servers, with a small sshd over our server (`sshd.ts`). */
import { regressTest } from "./runner.ts";

regressTest({
  ours: ["sshd"],
  quick: [
    "allow-deny-users",
    "authinfo",
    "banner",
    "connect",
    "exit-status-signal",
    "forcecommand",
    "keys-command",
    "principals-command",
    "proxy-connect",
  ],
  slow: [
    "broken-pipe",
    "connect-privsep",
    "connect-uri",
    "envpass",
    "exit-status",
    "key-options",
    "keytype",
    "login-timeout",
    "portnum",
    "proto-mismatch",
    "proto-version",
    "stderr-after-eof",
    "stderr-data",
    "transfer",
    "yes-head",
  ],
});
