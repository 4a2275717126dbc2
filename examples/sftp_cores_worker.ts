/** Uploads the files that it is told to: the worker of sftp_cores.ts. */
import { connect } from "@denossh/ssh";

const worker = globalThis as unknown as Pick<Worker, "onmessage" | "postMessage">;

worker.onmessage = async ({ data: { target, local, remote, paths } }) => {
  await using host = await connect(target);
  await using sftp = await host.sftp();
  const mine = new Set(paths);
  const { bytes } = await sftp.put(local, remote, {
    recursive: true,
    preserve: true,
    filter: ({ path, isDirectory }) => isDirectory || mine.has(path),
  });
  worker.postMessage(bytes);
};
