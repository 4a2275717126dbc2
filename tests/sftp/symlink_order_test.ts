import { assertEquals } from "@std/assert";
import {
  clientSendsLinkFirst,
  serverReadsLinkFirst,
} from "../../lib/sftp/protocol/server_quirks.ts";
import { localFiles, serveSftp, SftpClient } from "../../lib/sftp/mod.ts";
import { channelPair, folder } from "./world.ts";

Deno.test("the identification tells which peers use the draft's order of SYMLINK's paths", () => {
  const told = (line: string) => [clientSendsLinkFirst(line), serverReadsLinkFirst(line)];
  for (const name of ["AsyncSSH_2.24.0", "ssh2js1.17.0", "Erlang/5.2"]) {
    assertEquals(told(`SSH-2.0-${name}`), [true, true], name);
  }
  for (const name of ["WinSCP_release_6.3", "libssh_0.11.1", "libssh-0.6.3"]) {
    assertEquals(told(`SSH-2.0-${name}`), [true, false], name);
  }
  for (const name of ["OpenSSH_9.2", "denossh_0.1", "paramiko_4.0", "Go", "libssh2_1.11.1"]) {
    assertEquals(told(`SSH-2.0-${name}`), [false, false], name);
  }
});

Deno.test("links are made correctly in either order", async () => {
  for (const linkFirst of [true, false]) {
    await using root = await folder();
    const [near, far] = channelPair();
    const served = serveSftp(far, localFiles({ root: root.path }), { linkFirst });
    const sftp = await SftpClient.open(near, { linkFirst });
    await sftp.symlink("target", "/link");
    assertEquals(await Deno.readLink(`${root.path}/link`), "target");
    await sftp.close();
    await served;
  }
});
