import { must } from "../../support/run.ts";

/** The user's home directory as the user database has it, which OpenSSH believes rather than HOME. */
export async function databaseHome(): Promise<string> {
  const { text } = await must("sh", ["-c", 'getent passwd "$(id -u)" | cut -d: -f6']);
  return text.trim();
}
