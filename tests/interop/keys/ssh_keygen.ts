import { must } from "../../support/run.ts";

/** Runs ssh-keygen and returns its output; throws if it fails. */
export async function sshKeygen(
  args: readonly string[],
  stdin = "",
  env: Record<string, string> = {},
): Promise<string> {
  return (await must("ssh-keygen", args, { stdin, env })).text;
}
