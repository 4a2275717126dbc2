import { assertEquals } from "@std/assert";
import { claimed, comparison } from "./ssh_g.ts";
import { run } from "../../support/run.ts";
import { tempFolder } from "../../support/temp.ts";
import { cli } from "../../cli/world.ts";

const CONFIG = `
Host db1
  HostName %h.example.com
  User ops
  Port 2200
  IdentityFile ~/.ssh/db
  LocalForward 1000 a:1000
`;

const lines: readonly string[][] = [
  ["ann@db1", "-p", "99", "-A", "-a", "-o", "ForwardAgent=yes", "-o", "Port=1", "uptime"],
  ["-l", "bob", "ssh://ann@db1:77"],
  ["-L", "8080:a:80", "-L", "[::1]:81:[::2]:82", "-L", "/a/b:h:1", "db1"],
  ["-R", "9000", "-R", "0:a:1", "-R", "*:1:/x/y", "-D", "*:1080", "-J", "x@y:22,z", "db1"],
  ["-t", "-t", "-C", "-4", "-g", "-e", "^b", "-b", "127.0.0.1", "-Y", "-v", "db1"],
  ["-W", "a:1", "-L", "1:b:2", "db1"],
  ["-s", "-n", "-6", "-X", "-q", "db1", "sftp"],
  ["-i", "/tmp/x y", "-o", "IdentityFile=/z", "-c", "aes256-ctr", "-f", "-N", "db1"],
  ["-f", "db1"],
  ["-o", "RemoteCommand=x", "db1", "y"],
  ["-o", "Prot=1", "db1"],
  ["-L", "8080", "db1"],
  ["a;b"],
];

await comparison("ssh -G prints what OpenSSH's prints, and refuses what it refuses", async (t) => {
  await using folder = await tempFolder();
  const config = await folder.write("config", CONFIG);
  for (const line of lines) {
    await t.step(line.join(" "), async () => {
      const args = ["-F", config, "-G", ...line];
      const [wanted, got] = await Promise.all([run("ssh", args), cli(["ssh", ...args])]);
      const explicit = line.includes("-c") ? ["ciphers"] : [];
      const of = (text: string) => claimed(text.trimEnd().split("\n"), explicit);
      assertEquals(of(got.text), of(wanted.text), got.stderr);
      assertEquals(got.code, wanted.code);
    });
  }
});
