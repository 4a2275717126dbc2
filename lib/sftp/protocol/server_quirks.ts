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
 * Whether a server handles the requests and data of a channel in order, so that data may follow a request
 * whose answer has not arrived. Others may drop data before the program has started.
 */
export function readsInOrder(identification: string): boolean {
  return /^SSH-2\.0-(OpenSSH|denossh)_/.test(identification);
}
