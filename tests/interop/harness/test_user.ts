import { must, run } from "../../support/run.ts";

/** A system account for one test. */
export interface TestUser extends AsyncDisposable {
  /** The login name. */
  readonly name: string;
  /** The password. */
  readonly password: string;
}

/**
 * Makes an account with a password: without PAM, `sshd` checks passwords against the system's files.
 * Needs root.
 */
export async function testUser(home = "/tmp"): Promise<TestUser> {
  const random = crypto.getRandomValues(new Uint8Array(12)).toHex();
  const name = `denossh${random.slice(0, 8)}`;
  const password = `pass word-${random.slice(8)}`; // with a space, as real passwords may have
  const { text } = await must("openssl", ["passwd", "-6", "-stdin"], { stdin: `${password}\n` });
  await must("useradd", ["-M", "-d", home, "-s", "/bin/sh", "-p", text.trim(), name]);
  return {
    name,
    password,
    async [Symbol.asyncDispose]() {
      await run("userdel", ["-f", name]);
    },
  };
}
