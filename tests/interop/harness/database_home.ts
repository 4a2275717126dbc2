import { must } from "../../support/run.ts";

/** The user's home directory from the user database, which OpenSSH uses instead of HOME. */
export async function databaseHome(): Promise<string> {
  const { text } = await must("sh", ["-c", 'getent passwd "$(id -u)" | cut -d: -f6']);
  return text.trim();
}
