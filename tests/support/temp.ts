/** A temporary folder that is removed when the test ends. */
export interface TempFolder extends AsyncDisposable {
  /** The absolute path. */
  readonly path: string;
  /** The absolute path of a name in it. */
  join(name: string): string;
  /** Writes a file readable by its owner only, and returns its path. */
  write(name: string, content: string | Uint8Array, mode?: number): Promise<string>;
}

/** Makes a folder in the system's temporary folder. */
export async function tempFolder(prefix = "denossh-"): Promise<TempFolder> {
  const path = await Deno.makeTempDir({ prefix });
  return {
    path,
    join: (name) => `${path}/${name}`,
    async write(name, content, mode = 0o600) {
      const file = `${path}/${name}`;
      if (typeof content === "string") await Deno.writeTextFile(file, content, { mode });
      else await Deno.writeFile(file, content, { mode });
      return file;
    },
    async [Symbol.asyncDispose]() {
      await Deno.remove(path, { recursive: true });
    },
  };
}
