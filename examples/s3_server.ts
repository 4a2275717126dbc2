/**
 * Serves SFTP from a bucket of an S3-compatible object store, to users with a key in authorized_keys.
 * The AWS SDK's variables AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY name the store
 * and the credentials:
 *
 *     deno run --allow-net --allow-env --allow-read --allow-write --allow-sys=osRelease \
 *       examples/s3_server.ts bucket authorized_keys host_key 2222
 */
import { S3Client } from "npm:@aws-sdk/client-s3@3";
import { authorizedKeys, hostKeyFile, serve } from "@denossh/ssh/server";
import { s3Backend } from "./s3_backend.ts";

const [bucket, keys, hostKey, port] = Deno.args;
if (!bucket || !keys || !hostKey) {
  console.error("usage: s3_server.ts bucket authorized_keys host_key [port]");
  Deno.exit(2);
}
const client = new S3Client({
  region: Deno.env.get("AWS_REGION") ?? "us-east-1",
  forcePathStyle: Deno.env.has("AWS_ENDPOINT_URL"), // only AWS has a DNS name for each bucket
});

await using server = serve({
  port: Number(port ?? 0),
  hostKeys: [await hostKeyFile(hostKey)],
  auth: { publicKey: authorizedKeys(keys) },
  sftp: s3Backend(client, bucket),
});
console.log(`Listening on port ${server.addr.port}`);
await server.finished;
