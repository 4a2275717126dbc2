/** The numbers of draft-ietf-secsh-filexfer-02 (SFTP version 3). */

/** The version used in practice, and the only one supported here. */
export const SFTP_VERSION = 3;

/** Packet types (§3). */
export const FXP = {
  INIT: 1,
  VERSION: 2,
  OPEN: 3,
  CLOSE: 4,
  READ: 5,
  WRITE: 6,
  LSTAT: 7,
  FSTAT: 8,
  SETSTAT: 9,
  FSETSTAT: 10,
  OPENDIR: 11,
  READDIR: 12,
  REMOVE: 13,
  MKDIR: 14,
  RMDIR: 15,
  REALPATH: 16,
  STAT: 17,
  RENAME: 18,
  READLINK: 19,
  SYMLINK: 20,
  STATUS: 101,
  HANDLE: 102,
  DATA: 103,
  NAME: 104,
  ATTRS: 105,
  EXTENDED: 200,
  EXTENDED_REPLY: 201,
} as const;

/** Flags of OPEN (§6.3). */
export const FXF = {
  READ: 0x01,
  WRITE: 0x02,
  APPEND: 0x04,
  CREAT: 0x08,
  TRUNC: 0x10,
  EXCL: 0x20,
} as const;

/** Which attributes are present (§5). */
export const ATTR = {
  SIZE: 0x01,
  UIDGID: 0x02,
  PERMISSIONS: 0x04,
  ACMODTIME: 0x08,
  EXTENDED: 0x8000_0000,
} as const;

/** The file type in `mode` (POSIX). */
export const S_IF = {
  MASK: 0o170000,
  SOCKET: 0o140000,
  LINK: 0o120000,
  FILE: 0o100000,
  BLOCK: 0o060000,
  DIRECTORY: 0o040000,
  CHARACTER: 0o020000,
  FIFO: 0o010000,
} as const;

/** The longest handle that may be sent (§6.3). */
export const MAX_HANDLE_LENGTH = 256;

/** Vendor extensions that we know (OpenSSH PROTOCOL §4). */
export const EXTENSION = {
  POSIX_RENAME: "posix-rename@openssh.com",
  HARDLINK: "hardlink@openssh.com",
  FSYNC: "fsync@openssh.com",
  LIMITS: "limits@openssh.com",
  STATVFS: "statvfs@openssh.com",
  FSTATVFS: "fstatvfs@openssh.com",
  LSETSTAT: "lsetstat@openssh.com",
  EXPAND_PATH: "expand-path@openssh.com",
  COPY_DATA: "copy-data",
  CHECK_FILE: "check-file",
  HOME_DIRECTORY: "home-directory",
  USERS_GROUPS: "users-groups-by-id@openssh.com",
} as const;

/** Bits of `flags` in the answer to STATVFS (OpenSSH PROTOCOL §4.4). */
export const STATVFS_FLAG = { READ_ONLY: 1, NO_SETUID: 2 } as const;
