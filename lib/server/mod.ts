/**
 * An SSH server in Deno: who may log in, what runs when they do, and which files they see.
 *
 * @module
 */
export { serve, type ServedConnection, serveStreams, type SshServer } from "./serve.ts";
export type { ServeOptions } from "./options.ts";
export { systemShell, type SystemShellOptions } from "./system_shell.ts";
export { type Login, Session, type SessionHandler } from "../session/session.ts";
export type { Pty, TerminalMode, TerminalSize } from "../session/pty.ts";
export type {
  Ask,
  AuthDecision,
  PasswordChangeDemand,
  PasswordDecision,
  PromptHeading,
  ServerAuthPolicy,
} from "../auth/policy.ts";
export { localFiles } from "../sftp/local_files.ts";
export type { SftpBackend } from "../sftp/backend.ts";
