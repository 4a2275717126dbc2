/**
 * Quirks of servers and clients that are known by their identification lines.
 *
 * The order of SYMLINK's two paths: the draft has the link first, OpenSSH the target (OpenSSH PROTOCOL
 * §4.1).
 */

/** Servers that expect the draft's order from clients other than OpenSSH's. */
const SERVERS = /^SSH-2\.0-(AsyncSSH_|ssh2js|Erlang\/)/;

/** Clients that use the draft's order with servers other than OpenSSH's. */
const CLIENTS = /^SSH-2\.0-(AsyncSSH_|ssh2js|Erlang\/|WinSCP_|libssh[-_])/;

/** Whether the server of an identification line expects the link first. */
export function serverReadsLinkFirst(identification: string): boolean {
  return SERVERS.test(identification);
}

/** Whether the client of an identification line sends the link first. */
export function clientSendsLinkFirst(identification: string): boolean {
  return CLIENTS.test(identification);
}

/**
 * Whether a server supports check-file in version 3 but announces it only in later versions, as ProFTPD
 * does.
 */
export function hidesCheckFile(identification: string): boolean {
  return /^SSH-2\.0-mod_sftp\b/.test(identification);
}

/**
 * Whether data may follow the request that starts a program, before its answer: the server handles the messages
 * of a channel in order, and the channel has a window before. OpenSSH's has none until the program runs, and
 * others may drop the data.
 */
export function takesDataAtOnce(identification: string): boolean {
  return /^SSH-2\.0-denossh_/.test(identification);
}

/** Whether each session is a process, which numbers its handles from 0. */
export function numbersHandles(identification: string): boolean {
  return /^SSH-2\.0-OpenSSH_/.test(identification);
}

/**
 * Whether a server keeps one unfinished SFTP message for all channels of a connection, as ProFTPD does:
 * data of another channel that arrives before its end is taken for the rest of it.
 */
export function mixesChannels(identification: string): boolean {
  return /^SSH-2\.0-mod_sftp\b/.test(identification);
}
