/** OpenSSH's regress scripts about keys, certificates, signatures and known hosts, with our keygen. */
import { regressTest } from "./runner.ts";

regressTest({
  ours: ["keygen"],
  quick: ["keygen-change", "keygen-knownhosts", "keygen-sshfp"],
  slow: [
    "cert-file",
    "cert-hostkey",
    "cert-userkey",
    "keygen-comment",
    "keygen-convert",
    "keytype",
    "krl",
    "limit-keytype",
    "multipubkey",
    "principals-command",
    "sshsig",
  ],
  misses: {
    "keygen-moduli": "keygen makes and screens no moduli",
  },
});
