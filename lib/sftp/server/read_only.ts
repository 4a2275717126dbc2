import { platformError } from "../../runtime/errors.ts";
import type { SftpBackend } from "./backend.ts";

/** A backend that reads from another one and refuses every change. */
export function readOnly(files: Required<SftpBackend>): SftpBackend {
  const denied = (): Promise<never> => Promise.reject(platformError("PermissionDenied"));
  return {
    async open(path, options) {
      if (options.write || options.create || options.truncate) return await denied();
      const file = await files.open(path, options);
      return {
        parallel: file.parallel ?? false,
        read: (into, offset) => file.read(into, offset),
        stat: () => file.stat(),
        statVfs: async () => ({ ...await file.statVfs!(), readOnly: true }),
        close: () => file.close(),
        write: denied,
        setStat: denied,
      };
    },
    readDir: (path) => files.readDir(path),
    stat: (path) => files.stat(path),
    lstat: (path) => files.lstat(path),
    realPath: (path) => files.realPath(path),
    readLink: (path) => files.readLink(path),
    async statVfs(path) {
      return { ...await files.statVfs(path), readOnly: true };
    },
    home: (user) => files.home(user),
    userNames: (ids) => files.userNames(ids),
    groupNames: (ids) => files.groupNames(ids),
    setStat: denied,
    lsetStat: denied,
    mkdir: denied,
    rmdir: denied,
    remove: denied,
    rename: denied,
    symlink: denied,
    link: denied,
  };
}
