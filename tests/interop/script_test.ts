/** A shell script that was written for OpenSSH's `ssh` and `sftp`, run with ours in their place. */
import { assertEquals } from "@std/assert";
import { CLI } from "../cli/world.ts";
import { configFlags } from "../support/ssh_flags.ts";
import { peerTest } from "./harness/peers.ts";
import { run } from "../support/run.ts";
import { type Sshd, startSshd } from "./harness/sshd.ts";
import { type TempFolder, tempFolder } from "../support/temp.ts";

const MINUTE = 60_000;

/** The prelude of each script: `ssh` and `sftp` for the server, a folder, and a function to fail. */
function prelude(folder: TempFolder, server: Sshd): string {
  const quote = (words: readonly string[]) => words.map((word) => `'${word}'`).join(" ");
  const place = `${server.user}@${server.hostname}`;
  const flags = quote(configFlags(server));
  return `
    set -eu
    cd '${folder.path}'
    ssh() { ${quote(CLI)} ssh ${flags} "$@"; }
    sftp() { ${quote(CLI)} sftp ${flags} "$@"; }
    host='${place}'
    same() { [ "$1" = "$2" ] || { echo "$3: $1 is not $2"; exit 1; }; }
  `;
}

async function script(server: Sshd, text: string): Promise<void> {
  await using folder = await tempFolder();
  const lines = prelude(folder, server) + text + "\necho done\n";
  const ran = await run("bash", ["-c", lines], { timeout: 5 * MINUTE });
  assertEquals([ran.code, ran.text], [0, "done\n"], ran.stderr);
}

await peerTest(["sshd"], "A gibibyte is unchanged after exec in each direction", async () => {
  await using server = await startSshd();
  await script(
    server,
    `
    openssl rand 1073741824 > big
    want=$(sha256sum < big)
    same "$(ssh $host "cat $PWD/big" | sha256sum)" "$want" download
    same "$(ssh $host sha256sum < big)" "$want" upload
  `,
  );
});

await peerTest(["sshd"], "Transfers survive rekeys at every megabyte", async () => {
  await using server = await startSshd({ config: { RekeyLimit: "1M" } });
  await script(
    server,
    `
    openssl rand 100000001 > big
    want=$(sha256sum < big)
    same "$(ssh -o RekeyLimit=1M $host "cat $PWD/big" | sha256sum)" "$want" download
    same "$(ssh -o RekeyLimit=1M $host sha256sum < big)" "$want" upload
    printf 'put big there\nget there back\n' | sftp -q -b - $host:$PWD > said
    same "$(sha256sum < back)" "$want" sftp
  `,
  );
});

await peerTest(
  ["sshd"],
  "Exit codes, signals, empty input and both outputs match ssh",
  async () => {
    await using server = await startSshd();
    await script(
      server,
      `
    ssh $host 'exit 0'
    code=0; ssh $host 'exit 37' || code=$?; same $code 37 'exit code'
    code=0; ssh $host 'kill -9 $$' 2>/dev/null || code=$?; same $code 255 signal
    same "$(ssh $host 'wc -c' < /dev/null)" 0 'empty input'
    same "$(: | ssh $host 'cat; echo end')" end 'closed pipe'
    ssh $host 'head -c 30000000 /dev/zero & head -c 30000001 /dev/zero >&2; wait' > out 2> err
    same "$(wc -c < out) $(wc -c < err)" '30000000 30000001' 'both outputs'
    same "$(ssh $host 'yes' | head -n 1)" y 'a reader that leaves'
    n=0; while read -r line; do n=$((n+1)); done <<< "$(ssh $host 'seq 1000')"; same $n 1000 lines
  `,
    );
  },
);
