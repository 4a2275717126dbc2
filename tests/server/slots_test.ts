/** Connections that hang give their slots back, whatever they hang in. */
import { assertEquals, assertRejects } from "@std/assert";
import { connect, none, password, SshError } from "@denossh/ssh";
import { generateKey, type Signer } from "@denossh/ssh/keys";
import { serve, type ServeOptions } from "@denossh/ssh/server";

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
  Deno.test(`A login that hangs in ${what} ends at its deadline, and the next one has its slot`, async () => {
    const errors: string[] = [];
    await using server = serve({
      port: 0,
      hostname: "127.0.0.1",
      hostKeys: [hostKey],
      auth: { password: () => true },
      loginGraceTime: 100,
      maxStartups: { begin: 1, rate: 100, full: 1 },
      onError: (error) => void errors.push(String(error)),
      ...options(),
    });
    const login = () =>
      connect({
        hostname: "127.0.0.1",
        port: server.addr.port,
        user: "me",
        auth: [none(), password("x")],
        hostKeys: hostKey.publicKey,
      });
    await assertRejects(login, SshError);
    await using host = await login();
    assertEquals(errors, ["ConnectError: No login within 100 ms"]);
    await host.close();
  });
}
