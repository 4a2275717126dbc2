/**
 * The implementation of {@linkcode SftpClient}. It is loaded with the first session, because every program
 * that connects imports the class.
 *
 * @module
 */
export { expandPath, homeDirectory, usersAndGroups } from "./remote/accounts.ts";
export { copyFile } from "./remote/copy_file.ts";
export { dirEntry } from "./remote/dir_entry.ts";
export { explained } from "./remote/explain.ts";
export { FurtherSessions } from "./remote/further_sessions.ts";
export { ReadAhead } from "./remote/read_ahead.ts";
export { RemoteFileSystem } from "./remote/remote_file_system.ts";
export { replace } from "./remote/rename.ts";
export { sftpFile, writableOf } from "./remote/sftp_file.ts";
export { checkMethod } from "./checks.ts";
export { exists, makeFolders, makeTempFolder, removeTree, walk } from "./remote/tree.ts";
export { dateOf } from "./protocol/attributes.ts";
export { glob } from "./transfer/glob.ts";
export { RemoteStore } from "./transfer/remote_store.ts";
export { dataStream } from "./transfer/streams.ts";
export { copy, get, put } from "./transfer/transfer.ts";
export { checkChannels } from "./transfer/transfer_options.ts";
