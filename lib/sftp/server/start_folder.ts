import type { SftpBackend } from "./backend.ts";

/** Methods whose first argument is a path. */
const BY_PATH = [
  "open",
  "readDir",
  "stat",
  "lstat",
  "setStat",
  "mkdir",
  "rmdir",
  "remove",
  "realPath",
  "readLink",
  "lsetStat",
  "statVfs",
] as const satisfies readonly (keyof SftpBackend)[];

/** Methods with two paths. */
const BY_PATHS = ["rename", "link"] as const satisfies readonly (keyof SftpBackend)[];

const WITHOUT_PATH = ["home", "userNames", "groupNames"] as const satisfies readonly (
  keyof SftpBackend
)[];

type Method = (...args: unknown[]) => unknown;

/** A backend whose relative paths start in the given folder; a relative folder starts at the backend's home. */
export function startingIn(backend: SftpBackend, folder: string): SftpBackend {
  const at = (path: unknown) => `${path}`.startsWith("/") ? path : `${folder}/${path}`;
  const methods: Record<string, Method> = {};
  const add = (names: readonly (keyof SftpBackend)[], call: (run: Method) => Method): void => {
    for (const name of names) {
      const method = backend[name] as Method | undefined;
      if (method !== undefined) methods[name] = call(method.bind(backend));
    }
  };
  add(BY_PATH, (run) => (path, ...rest) => run(at(path), ...rest));
  add(BY_PATHS, (run) => (from, to, ...rest) => run(at(from), at(to), ...rest));
  add(["symlink"], (run) => (target, path) => run(target, at(path)));
  add(WITHOUT_PATH, (run) => run);
  return methods as SftpBackend;
}
