import { assertEquals, assertRejects } from "@std/assert";
import { withRules } from "../../lib/login/host_key_rules.ts";
import { knownHostsFiles } from "../../lib/login/host_trust.ts";
import {
  configuredAlgorithms,
  configuredConnection,
  configuredEnv,
  configuredRekey,
} from "../../lib/login/settings.ts";
import { Config, type HostSettings } from "../../lib/config/mod.ts";
import { HostKeyError } from "../../lib/errors.ts";
import { generateKey, issueCertificate, withCertificate } from "../../lib/keys/mod.ts";
import { knownHosts } from "../../lib/known_hosts/mod.ts";
import { connectedPair } from "../../lib/testing/mod.ts";
import { tempFolder } from "../support/temp.ts";
import { testKey } from "../support/keys.ts";

const lookup = (text: string): Promise<HostSettings> => Config.parse(text).lookup("db1");
const anybody = { verify: () => true };
const host = { hostname: "db1", port: 22 };

Deno.test("Missing settings are left to the defaults", async () => {
  const settings = await lookup("User ann");
  assertEquals(configuredConnection(settings), {});
  assertEquals(configuredEnv(settings, { LANG: "C" }), undefined);
});

Deno.test("Unsupported algorithms are left out, unless none remain", async () => {
  const some = await lookup("MACs umac-64@openssh.com,hmac-sha2-256\nCiphers aes256-ctr");
  assertEquals(configuredAlgorithms(some), { cipher: ["aes256-ctr"], mac: ["hmac-sha2-256"] });
  const none = await lookup("MACs umac-64@openssh.com");
  assertEquals(configuredAlgorithms(none), { mac: ["umac-64@openssh.com"] });
});

Deno.test("RekeyLimit without a size leaves the size to the defaults", async () => {
  assertEquals(configuredRekey(await lookup("RekeyLimit default 1h")), { milliseconds: 3_600_000 });
  assertEquals(configuredRekey(await lookup("RekeyLimit 1M")), { bytes: 1_048_576 });
});

Deno.test("SendEnv selects from the environment, and SetEnv overrides it", async () => {
  const settings = await lookup("SendEnv LC_* LANG\nSendEnv -LC_X\nSetEnv LANG=C NEW=1");
  const environment = { LC_ALL: "a", LC_X: "x", LANG: "l", HOME: "/" };
  // Removing a pattern removes it from the patterns, not from the names.
  assertEquals(configuredEnv(settings, environment), {
    LC_ALL: "a",
    LC_X: "x",
    LANG: "C",
    NEW: "1",
  });
});

Deno.test("none among the known hosts files means no file", async () => {
  const settings = await lookup("UserKnownHostsFile none\nGlobalKnownHostsFile /a /b");
  assertEquals(knownHostsFiles(settings), { user: [], global: ["/a", "/b"] });
});

Deno.test("RequiredRSASize refuses smaller keys", async () => {
  using key = await testKey("rsa");
  const policy = withRules(anybody, await lookup("RequiredRSASize 3072"));
  await assertRejects(async () => await policy.verify(host, key.publicKey), HostKeyError, "3072");
  assertEquals(await withRules(anybody, {}).verify(host, key.publicKey), true);
});

Deno.test("RevokedHostKeys refuses keys, and certificates of an authority, that a text lists", async () => {
  await using folder = await tempFolder();
  using authority = await generateKey();
  using key = await generateKey();
  const options = { kind: "host", keyId: "db1", principals: ["db1"] } as const;
  const certified = await issueCertificate(authority, key.publicKey, options);
  for (const listed of [authority, key]) {
    const file = await folder.write("revoked", `# bad\n${listed.publicKey}\n`);
    const policy = withRules(anybody, await lookup(`RevokedHostKeys ${file}`));
    await assertRejects(async () => await policy.verify(host, certified), HostKeyError, "revoked");
  }
  using other = await generateKey();
  const policy = withRules(anybody, await lookup(`RevokedHostKeys ${folder.join("revoked")}`));
  assertEquals(await policy.verify(host, other.publicKey), true);
  await assertRejects(async () => await policy.verify(host, key.publicKey), HostKeyError);
});

Deno.test("CASignatureAlgorithms refuses certificates signed by another one", async () => {
  using authority = await generateKey();
  using key = await generateKey();
  const certified = await issueCertificate(authority, key.publicKey, {
    kind: "host",
    keyId: "db1",
    principals: ["db1"],
  });
  const policy = withRules(anybody, await lookup("CASignatureAlgorithms rsa-sha2-512"));
  await assertRejects(
    async () => await policy.verify(host, certified),
    HostKeyError,
    "ssh-ed25519",
  );
  assertEquals(await withRules(anybody, {}).verify(host, certified), true);
});

Deno.test("NoHostAuthenticationForLocalhost skips checks for loopback, and only for loopback", async () => {
  using key = await generateKey();
  const nobody = { verify: () => false };
  const policy = withRules(nobody, await lookup("NoHostAuthenticationForLocalhost yes"));
  const at = (hostname: string) => policy.verify({ hostname, port: 22 }, key.publicKey);
  assertEquals(await Promise.all([at("127.0.0.1"), at("::1"), at("localhost")]), [
    true,
    true,
    true,
  ]);
  assertEquals(await Promise.all([at("127.0.0.1.example.com"), at("db1")]), [false, false]);
});

Deno.test("HostKeyAlgorithms keeps certificates, as a list and with +", async () => {
  const certified = "ssh-ed25519-cert-v01@openssh.com";
  const hostKeysOf = async (value: string) => {
    const settings = await Config.parse(`HostKeyAlgorithms ${value}`).lookup("db1");
    return configuredAlgorithms(settings)!.hostKey as string[];
  };
  assertEquals(await hostKeysOf(`${certified},ssh-ed25519`), [certified, "ssh-ed25519"]);
  const more = await hostKeysOf("+ssh-rsa");
  assertEquals([more.includes(certified), more.at(-1)], [true, "ssh-rsa"]);
});

Deno.test("a host certificate is accepted with a HostKeyAlgorithms list", async () => {
  using authority = await generateKey();
  using key = await generateKey();
  const certificate = await issueCertificate(authority, key.publicKey, {
    kind: "host",
    keyId: "db1",
    principals: ["localhost"],
  });
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, `@cert-authority * ${authority.publicKey}\n`);
  const settings = await Config.parse("HostKeyAlgorithms +ssh-rsa").lookup("localhost");
  await using pair = await connectedPair({
    serve: { hostKeys: [withCertificate(key, certificate)] },
    connect: { hostKeys: knownHosts(file), algorithms: configuredAlgorithms(settings)! },
  });
  assertEquals(pair.host.info.hostKey.equals(certificate), true);
  await Deno.remove(file);
});
