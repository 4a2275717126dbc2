/** Whether OpenSSH's ssh-keygen is installed; tests that need it are counted as ignored if not. */
export const noSshKeygen: boolean = !(await installed());

/** Runs ssh-keygen and gives what it printed; its failure is an error. */
export async function sshKeygen(
  args: string[],
  input = "",
  env: Record<string, string> = {},
): Promise<string> {
  const child = new Deno.Command("ssh-keygen", {
    args,
    env,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`ssh-keygen ${args.join(" ")}: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

/** A folder that goes away at the end of the test. */
export async function temporaryFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "keys-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

async function installed(): Promise<boolean> {
  try {
    await new Deno.Command("ssh-keygen", { args: ["-h"], stdout: "null", stderr: "null" }).output();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
