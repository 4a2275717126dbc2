import { type SftpChannel, SftpClient } from "../../../lib/sftp/mod.ts";
import { folder, type World } from "../../sftp/world.ts";
import { requirePeer } from "../harness/peers.ts";

/** A program that speaks SFTP on its standard streams, as a channel. */
export function programChannel(command: string, args: string[], cwd: string): SftpChannel & {
  status: Promise<Deno.CommandStatus>;
} {
  const child = new Deno.Command(command, {
    args,
    cwd,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  const writer = child.stdin.getWriter();
  return {
    status: child.status,
    readChunk: async () => (await reader.read()).value ?? null,
    async writeAll(...chunks) {
      for (const chunk of chunks) await writer.write(chunk);
    },
    closeWrite: () => writer.close(),
    async close() {
      await writer.close().catch(() => {});
      // The program's remaining output is read, so that it can exit.
      while (!(await reader.read().catch(() => ({ done: true }))).done);
      await child.status;
    },
  };
}

/** Our client with OpenSSH's sftp-server. */
export async function opensshWorld(args: string[] = []): Promise<World> {
  const [root, here] = [await folder(), await folder()];
  const channel = programChannel(await requirePeer("sftp-server"), args, root.path);
  const sftp = await SftpClient.open(channel);
  return {
    sftp,
    root: root.path,
    here: here.path,
    at: (path) => `${root.path}/${path}`,
    async [Symbol.asyncDispose]() {
      await sftp.close();
      await channel.status;
      await root[Symbol.asyncDispose]();
      await here[Symbol.asyncDispose]();
    },
  };
}
