/** Connections that hang in any step free their slots. */
import { assertEquals, assertRejects } from "@std/assert";
import { connect, none, password, SshError } from "@denossh/ssh";
import { generateKey, type Signer } from "@denossh/ssh/keys";
import type { ServeOptions } from "@denossh/ssh/server";
import { serveInMemory } from "../support/fake_listener.ts";
import { FakeTime } from "../support/fake_time.ts";

const hostKey = await generateKey("ed25519");

/** Calls of one function: the first never answers, the others do. */
function hangsOnce<T>(answer: T): () => T | Promise<T> {
  let calls = 0;
  return () => ++calls === 1 ? new Promise<T>(() => {}) : answer;
}

const hanging: Record<string, () => Partial<ServeOptions>> = {
  "a host key signer": () => {
    const stuck = hangsOnce(null);
    const signer: Signer = {
      publicKey: hostKey.publicKey,
      async sign(algorithm, data) {
        await stuck();
        return hostKey.sign(algorithm, data);
      },
    };
    return { hostKeys: [signer] };
  },
  "a policy of passwords": () => ({ auth: { password: hangsOnce(true) } }),
  "a policy of users without credentials": () => ({ auth: { none: hangsOnce(true) } }),
};

for (const [what, options] of Object.entries(hanging)) {
  Deno.test(`A login that hangs in ${what} ends at its deadline and frees its slot`, async () => {
    const errors: string[] = [];
    using time = new FakeTime();
    await using server = serveInMemory({
      hostKeys: [hostKey],
      auth: { password: () => true },
      loginGraceTime: 100,
      maxStartups: { begin: 1, rate: 100, full: 1 },
      onError: (error) => void errors.push(String(error)),
      ...options(),
    });
    const login = () =>
      connect({
        transport: server.dial("192.0.2.1"),
        user: "me",
        auth: [none(), password("x")],
        hostKeys: hostKey.publicKey,
      });
    await time.settle(assertRejects(login, SshError));
    await using host = await time.settle(login());
    assertEquals(errors, ["ConnectError: No login within 100 ms [timeout]"]);
    await host.close();
  });
}
