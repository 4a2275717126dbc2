import { Program } from "../../support/program.ts";
import { tempFolder } from "../../support/temp.ts";
import { requirePeer } from "./peers.ts";

/** An S3-compatible object store for one test. */
export interface ObjectStore extends AsyncDisposable {
  /** Its address, which accepts requests without a signature. */
  readonly url: string;
  /** Variables of the AWS SDK, for clients that sign. */
  readonly env: Record<string, string>;
}

/** Starts SeaweedFS with an S3 gateway on loopback. */
export async function startWeed(): Promise<ObjectStore> {
  await using stack = new AsyncDisposableStack();
  const weed = await requirePeer("weed");
  const folder = stack.use(await tempFolder());
  const actions = ["Admin"];
  const credentials = [{ accessKey: "tester", secretKey: "secret" }];
  const identities = [{ name: "tester", credentials, actions }, { name: "anonymous", actions }];
  const config = await folder.write("s3.json", JSON.stringify({ identities }));
  const parts = ["master", "volume", "filer", "s3"];
  const first = freePorts(2 * parts.length);
  const ports = parts.flatMap((part, i) => {
    return [`-${part}.port=${first + 2 * i}`, `-${part}.port.grpc=${first + 2 * i + 1}`];
  });
  const args = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", `-dir=${folder.path}`, "-filer", ...ports];
  const small = ["-master.volumeSizeLimitMB=64", "-volume.max=20", "-volume.preStopSeconds=0"];
  const s3 = ["-s3", `-s3.config=${config}`, "-s3.port.iceberg=0", "-s3.port.lance=0"];
  stack.defer(() => removeSockets(first, 2 * parts.length));
  const program = stack.use(new Program(weed, { args: ["server", ...args, ...small, ...s3] }));
  stack.defer(() => program.kill("SIGKILL")); // an orderly shutdown takes seconds
  await program.waitFor(/Start Seaweed S3 API Server/);
  const url = `http://127.0.0.1:${first + 6}`;
  const owned = stack.move();
  return {
    url,
    env: { AWS_ENDPOINT_URL: url, AWS_ACCESS_KEY_ID: "tester", AWS_SECRET_ACCESS_KEY: "secret" },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/**
 * The first of several consecutive free ports, below the range for outgoing connections: the parts of
 * the store connect to each other before the last one listens.
 */
function freePorts(count: number): number {
  for (;;) {
    const first = 20_000 + count * Math.floor(Math.random() * 1_500);
    try {
      for (let i = 0; i < count; i++) {
        Deno.listen({ hostname: "127.0.0.1", port: first + i }).close();
      }
      return first;
    } catch (cause) {
      if (!(cause instanceof Deno.errors.AddrInUse)) throw cause;
    }
  }
}

/** It leaves its local sockets, named by their ports. */
async function removeSockets(first: number, count: number): Promise<void> {
  for await (const { name } of Deno.readDir("/tmp")) {
    const port = Number(/^seaweedfs-[a-z0-9-]+-(\d+)\.sock$/.exec(name)?.[1] ?? 0);
    if (port >= first && port < first + count) await Deno.remove(`/tmp/${name}`);
  }
}
