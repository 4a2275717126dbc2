/**
 * The few programs that the examples run on a server, reduced to what they use, for machines with only
 * a shell and Deno: `deno run programs.ts NAME ARGUMENT…`.
 */
import { encodeHex } from "../../lib/encoding.ts";
import type { TempFolder } from "./temp.ts";

const PROGRAMS: Readonly<Record<string, (...args: string[]) => Promise<number>>> = {
  async head(_c, count, _dashes, file = "/dev/zero") {
    using input = await Deno.open(file);
    const bytes = new Uint8Array(Number(count));
    let length = 0;
    for (let n; length < bytes.length && (n = await input.read(bytes.subarray(length)));) {
      length += n;
    }
    return await print(bytes.subarray(0, length));
  },
  hostname: () => print(`${Deno.hostname()}\n`),
  async ls(path) {
    await Deno.stderr.write(encode(`ls: ${path}: No such file or directory\n`));
    return 2;
  },
  async sha256sum() {
    const bytes = await new Response(Deno.stdin.readable).arrayBuffer();
    const digest = await crypto.subtle.digest("SHA-256", bytes);
    return await print(`${encodeHex(new Uint8Array(digest))}  -\n`);
  },
  async sleep(seconds) {
    await new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1000));
    return 0;
  },
  async tr() {
    return await print((await new Response(Deno.stdin.readable).text()).toUpperCase());
  },
};

/** Writes a shell to a folder that finds these programs; returns its path. */
export async function shellWithPrograms(folder: TempFolder): Promise<string> {
  const run = `exec '${Deno.execPath()}' run -A --no-check '${import.meta.filename}'`;
  await Deno.mkdir(folder.join("programs"));
  for (const name of Object.keys(PROGRAMS)) {
    await folder.write(`programs/${name}`, `#!/bin/sh\n${run} ${name} "$@"\n`, 0o700);
  }
  const path = `${folder.join("programs")}:$PATH`;
  return await folder.write("shell", `#!/bin/sh\nPATH="${path}" exec /bin/sh "$@"\n`, 0o700);
}

const encode = (text: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(new TextEncoder().encode(text));

async function print(output: string | Uint8Array<ArrayBuffer>): Promise<number> {
  await new Blob([output]).stream().pipeTo(Deno.stdout.writable);
  return 0;
}

if (import.meta.main) {
  const [name, ...args] = Deno.args;
  Deno.exit(await PROGRAMS[name!]!(...args));
}
