/**
 * A Cloudflare Worker that fetches a CSV file by SFTP and returns it as JSON. Its variables are SSH_TARGET
 * (`user@host:port`), SSH_HOST_KEY (the fingerprint) and CSV_PATH; the key is a secret:
 *
 *     npx wrangler secret put SSH_KEY < ~/.ssh/id_worker
 *     npx wrangler deploy examples/edge/csv_worker.ts
 */
import { connect, publicKey, SftpError, SshError } from "@denossh/ssh";
import { importPrivateKey } from "@denossh/ssh/keys";

interface Env {
  readonly SSH_TARGET: string;
  readonly SSH_HOST_KEY: string;
  readonly SSH_KEY: string;
  readonly CSV_PATH: string;
}

export default {
  async fetch({ signal }: Request, env: Env): Promise<Response> {
    try {
      using key = importPrivateKey(env.SSH_KEY);
      await using host = await connect(env.SSH_TARGET, {
        auth: [publicKey(key)],
        hostKeys: env.SSH_HOST_KEY,
        signal,
      });
      await using sftp = await host.sftp();
      return Response.json(parse(await sftp.readTextFile(env.CSV_PATH, { signal })));
    } catch (error) {
      if (!(error instanceof SshError)) throw error;
      console.error(error.message);
      const status = error instanceof SftpError && error.status === 2 ? 404 : 502;
      return Response.json({ error: error.code }, { status });
    }
  },
};

/** Makes an object of each line after the first, which holds the names (RFC 4180). */
function parse(text: string): Record<string, string>[] {
  const rows: string[][] = [[]];
  for (
    const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)
  ) {
    rows.at(-1)!.push(quoted?.replaceAll('""', '"') ?? plain!);
    if (end !== ",") rows.push([]);
  }
  const [names = [], ...records] = rows.filter((row) => row.length > 1 || (row[0] ?? "") !== "");
  return records.map((row) => Object.fromEntries(names.map((name, i) => [name, row[i] ?? ""])));
}
