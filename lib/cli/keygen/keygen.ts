import { parseFlags, UsageError } from "../shared/flags.ts";
import { messageOf } from "../shared/failure.ts";
import { certify } from "./certify.ts";
import { changeComment, changePassphrase } from "./change.ts";
import { printDnsRecords } from "./dns_records.ts";
import { findHost, hashHosts, removeHost } from "./hosts.ts";
import { FAILURE, KeygenJob, USAGE } from "./job.ts";
import { makeKey } from "./make.ts";
import { queryRevoked, writeRevoked } from "./revocation_lists.ts";
import {
  exportFormat,
  importFormat,
  listCertificates,
  listKeys,
  listWords,
  showPublic,
} from "./show.ts";
import { signatures } from "./sign.ts";
import { Log } from "../shared/log.ts";
import { InterruptedError } from "../../terminal/ask.ts";

/** What `keygen --help` prints. */
export const KEYGEN_HELP =
  `usage: keygen [-q] [-t ed25519|ecdsa|rsa|…] [-b bits] [-f file] [-N passphrase] [-C comment]
              [-a rounds] [-Z cipher] [-m RFC4716|PKCS8|PEM|PPK]
       keygen -p [-f file] [-P old_passphrase] [-N new_passphrase] [-a rounds] [-Z cipher] [-m format]
       keygen -c [-f file] [-P passphrase] [-C comment]
       keygen -y [-f file] [-P passphrase]     print the public key of a private one
       keygen -e [-f file] [-m RFC4716|PKCS8|PEM]   print a public key in another format
       keygen -i [-f file]                     print a key of another format in OpenSSH's
       keygen -l [-v] [-E hash] [-f file]      print fingerprints, and pictures with -v
       keygen -B [-f file]                     print fingerprints as words
       keygen -L [-f file]                     print the fields of certificates
       keygen -s ca_key -I id [-hU] [-n principals] [-O option] [-V validity] [-z serial] file ...
       keygen -Y sign -f key -n namespace [-O hashalg=hash] [file ...]
       keygen -Y verify -f allowed_signers -I principal -n namespace -s signature [-r revoked]
       keygen -Y check-novalidate -n namespace -s signature
       keygen -Y find-principals -s signature -f allowed_signers
       keygen -Y match-principals -I principal -f allowed_signers
       keygen -k -f revoked [-u] [-s ca_key] [-z version] file ...   revoke keys
       keygen -Q [-l] -f revoked [file ...]    check keys; with -l, list all revoked ones
       keygen -F host [-lv] [-f known_hosts]   find a host
       keygen -R host [-f known_hosts]         forget a host
       keygen -H [-f known_hosts]              hide the names of hosts
       keygen -r host [-g] [-O hashalg=hash] [-f file]   print fingerprints for the DNS
`;

const LETTERS = "BHLQUceghiklpquvyC:E:F:I:N:O:P:R:V:Y:Z:a:b:f:m:n:r:s:t:z:";

/** The operation of each flag; without these flags, makes a key. */
const MODES: readonly [flag: string, run: (job: KeygenJob) => Promise<number>, operands?: true][] =
  [
    ["Y", signatures, true],
    ["k", writeRevoked, true],
    ["Q", queryRevoked, true],
    ["F", findHost],
    ["R", removeHost],
    ["H", hashHosts],
    ["s", certify, true],
    ["L", listCertificates],
    ["l", listKeys],
    ["B", listWords],
    ["p", changePassphrase],
    ["c", changeComment],
    ["e", exportFormat],
    ["i", importFormat],
    ["y", showPublic],
    ["r", printDnsRecords],
  ];

/**
 * `keygen`: makes keys and certificates, changes and shows them, signs files, as `ssh-keygen` does.
 *
 * @returns The exit code
 */
export async function keygen(args: readonly string[]): Promise<number> {
  const log = new Log();
  try {
    const { flags, rest } = parseFlags(args, { letters: LETTERS });
    const job = new KeygenJob(flags, rest, log);
    const [, run, operands] = MODES.find(([flag]) => job.has(flag)) ?? ["", makeKey];
    if (rest.length > 0 && !operands) throw new UsageError(`Too many arguments: "${rest[0]}"`);
    return await run(job);
  } catch (error) {
    if (error instanceof InterruptedError) return 130;
    log.error(error instanceof UsageError ? error.message : messageOf(error));
    return error instanceof UsageError || error instanceof RangeError ? USAGE : FAILURE;
  }
}
