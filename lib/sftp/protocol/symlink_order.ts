/**
 * SYMLINK has its two paths in the draft's order, the link before its target, or in OpenSSH's, which is
 * the reverse (OpenSSH PROTOCOL §4.1). Nothing in SFTP tells which: only the identification lines do.
 */

/** Servers that want the draft's order of a client that is not OpenSSH's. */
const SERVERS = /^SSH-2\.0-(AsyncSSH_|ssh2js|Erlang\/)/;

/** Clients that use the draft's order with a server that is not OpenSSH's. */
const CLIENTS = /^SSH-2\.0-(AsyncSSH_|ssh2js|Erlang\/|WinSCP_|libssh[-_])/;

/** Whether a server that identified itself so reads the link first. */
export function serverReadsLinkFirst(identification: string): boolean {
  return SERVERS.test(identification);
}

/** Whether a client that identified itself so sends the link first. */
export function clientSendsLinkFirst(identification: string): boolean {
  return CLIENTS.test(identification);
}
