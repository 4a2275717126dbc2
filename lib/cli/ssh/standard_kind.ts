import { runtime } from "../../runtime/runtime.ts";

/** The kind of a standard stream; unknown if its path does not exist or may not be read. */
export async function standardKind(path: string): Promise<Partial<Deno.FileInfo>> {
  try {
    return await runtime.files.stat(path);
  } catch {
    return {};
  }
}
