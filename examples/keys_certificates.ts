/**
 * An authority certifies a server and a user, which then trust each other without lists of keys:
 *
 *     deno run --allow-net --allow-read --allow-write examples/keys_certificates.ts
 */
import { connect, knownHosts, publicKey } from "@denossh/ssh";
import { generateKey, issueCertificate, RevocationList, withCertificate } from "@denossh/ssh/keys";
import { authorizedKeys, serve } from "@denossh/ssh/server";

using authority = await generateKey("ed25519", { comment: "our authority" });
const tomorrow = new Date(Date.now() + 24 * 60 * 60 * 1000);

// The server's side: its certificate, and the authority whose certificates let users in.
using hostKey = await generateKey();
const hostCertificate = await issueCertificate(authority, hostKey.publicKey, {
  kind: "host",
  keyId: "the example's server",
  principals: ["127.0.0.1", "localhost"],
});
const revoked = RevocationList.of({
  certificates: [{ authority: authority.publicKey, serials: [7n] }],
});
await using server = serve({
  port: 0,
  hostname: "127.0.0.1",
  hostKeys: [withCertificate(hostKey, hostCertificate), hostKey],
  auth: {
    publicKey: authorizedKeys(() => null, {
      authorities: [authority.publicKey],
      revoked: (key) => revoked.isRevoked(key),
    }),
  },
}, async (session) => {
  await session.print(`Hello ${session.user}\n`);
  return 0;
});

// The user's side: a certificate for a day, and the authority that certifies servers.
using key = await generateKey();
const known = await Deno.makeTempFile();
await Deno.writeTextFile(known, `@cert-authority * ${authority.publicKey}\n`);
for (const serial of [8n, 7n]) {
  const certificate = await issueCertificate(authority, key.publicKey, {
    kind: "user",
    keyId: `ann, number ${serial}`,
    principals: ["ann"],
    serial,
    validBefore: tomorrow,
  });
  try {
    await using host = await connect({
      hostname: "127.0.0.1",
      port: server.addr.port,
      user: "ann",
      auth: [publicKey(withCertificate(key, certificate))],
      hostKeys: knownHosts(known),
    });
    console.log((await host.run("hello")).trim());
  } catch (error) {
    console.log(`Number ${serial}: ${(error as Error).message}`);
  }
}
await Deno.remove(known);
