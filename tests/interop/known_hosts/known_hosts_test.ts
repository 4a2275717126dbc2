/** Compares our trust decisions with OpenSSH's on the same files, certificates and servers. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { HostKeyError, type HostKeyPolicy } from "@denossh/ssh";
import { importPrivateKey, importPublicKey, withCertificate } from "@denossh/ssh/keys";
import { knownHosts, readKnownHosts } from "@denossh/ssh/known-hosts";
import { authority, certifiedKey, type CertifyOptions } from "../harness/certificates.ts";
import type { Endpoint } from "../../support/endpoint.ts";
import { KEY_KINDS, keyFile, type KeyKind } from "../harness/keys.ts";
import { runClient } from "../harness/openssh_clients.ts";
import { connectTo, startOurs } from "../harness/ours.ts";
import { peerTest } from "../harness/peers.ts";
import { must, run } from "../../support/run.ts";
import { startSshd } from "../harness/sshd.ts";
import { type TempFolder, tempFolder } from "../../support/temp.ts";

const HOST_KINDS: readonly KeyKind[] = ["ed25519", "ecdsa256"];
const keys = await Promise.all(
  ["host", "other"].flatMap((purpose) => HOST_KINDS.map((kind) => keyFile(kind, purpose))),
);
const [ed25519, ecdsa, wrong, wrongEcdsa] = keys.map(({ publicKey }) => publicKey);

/** Whether `ssh` and we accept the host with a file. */
async function verdicts(server: Endpoint, path: string): Promise<{ ssh: boolean; ours: boolean }> {
  const config = { UserKnownHostsFile: path, StrictHostKeyChecking: "yes" };
  const ran = await runClient("ssh", server, ["true"], { config });
  assert(ran.code === 0 || /[Hh]ost key|HOST IDENTIFICATION/.test(ran.stderr), ran.stderr);
  return { ssh: ran.code === 0, ours: await weTrust(server, path) };
}

async function weTrust(server: Endpoint, path: string): Promise<boolean> {
  try {
    await using _host = await connectTo(server, { hostKeys: knownHosts(path) });
    return true;
  } catch (error) {
    if (!(error instanceof HostKeyError)) throw error;
    return false;
  }
}

await peerTest(["ssh"], "ssh trusts what we trust, line by line", async (t) => {
  await using server = await startOurs({}, HOST_KINDS);
  await using folder = await tempFolder();
  const { port } = server;
  const here = `[127.0.0.1]:${port}`;
  const files: Record<string, string> = {
    "nothing": "",
    "the key": `${here} ${ed25519}`,
    "the other kind of key that the host has": `${here} ${ecdsa}`,
    "both": `${here} ${ed25519}\n${here} ${ecdsa}`,
    "a wrong key": `${here} ${wrong}`,
    "a wrong key, then the right one": `${here} ${wrong}\n${here} ${ed25519}`,
    "the right one and a wrong key of another kind": `${here} ${ed25519}\n${here} ${wrongEcdsa}`,
    "the host without a port": `127.0.0.1 ${ed25519}`,
    "a wrong key without a port": `127.0.0.1 ${wrong}`,
    "a wrong key with the port, the right one without": `${here} ${wrong}\n127.0.0.1 ${ed25519}`,
    "a right key with the port, a wrong one without": `${here} ${ed25519}\n127.0.0.1 ${wrong}`,
    "another port": `[127.0.0.1]:${port + 1} ${ed25519}`,
    "a pattern of hosts": `[127.0.0.*]:${port} ${ed25519}`,
    "a pattern of ports": `[127.0.0.1]:* ${ed25519}`,
    "a question mark": `[127.0.0.?]:${port} ${ed25519}`,
    "any host": `* ${ed25519}`,
    "several names": `db1,${here},db2 ${ed25519}`,
    "an exception": `*,!${here} ${ed25519}`,
    "an exception for others": `*,!db1 ${ed25519}`,
    "an exception alone": `!db1 ${ed25519}`,
    "a name that is not there": `db1 ${ed25519}`,
    "capital letters": `[127.0.0.1]:${port} ${ed25519}`.toUpperCase().replace(/SSH.*/, "") +
      ed25519,
    "a comment line": `#${here} ${ed25519}`,
    "a comment behind": `${here} ${ed25519} and more`,
    "white space": `  ${here}\t${ed25519}  `,
    "carriage returns": `${here} ${ed25519}\r\n`,
    "a revoked key": `@revoked ${here} ${ed25519}\n${here} ${ed25519}`,
    "a revoked key of all hosts": `${here} ${ed25519}\n@revoked * ${ed25519}`,
    "another key revoked": `@revoked ${here} ${wrong}\n${here} ${ed25519}`,
    "an authority that is the key": `@cert-authority ${here} ${ed25519}`,
    "a broken line first": `${here} ssh-ed25519 !!!\n${here} ${ed25519}`,
    "a key of another type's name": `${here} ${ed25519!.replace("ssh-ed25519", "ssh-rsa")}`,
    "an unknown marker": `@trusted ${here} ${ed25519}`,
  };
  for (const [name, text] of Object.entries(files)) {
    for (const hashed of [false, true]) {
      // ssh-keygen does not hash patterns and lines with markers.
      if (hashed && !/^\[127[^*?!,]* ssh|^127/.test(text)) continue;
      await t.step(`${name}${hashed ? ", hashed by ssh-keygen" : ""}`, async () => {
        const path = await folder.write("known_hosts", `${text}\n`);
        if (hashed) await must("ssh-keygen", ["-q", "-H", "-f", path]);
        const { ssh, ours } = await verdicts(server, path);
        assertEquals(ours, ssh);
      });
    }
  }
});

await peerTest(
  ["ssh"],
  "ssh-keygen -F finds the same lines, and -R removes the same lines",
  async () => {
    await using folder = await tempFolder();
    const text = [
      "# a comment",
      `db1 ${ed25519} first`,
      `db1,db2 ${ecdsa}`,
      `*.example.com,!bad.example.com ${ed25519}`,
      `[db1]:2222 ${wrong}`,
      `@revoked db1 ${wrong}`,
      `@cert-authority *.example.com ${wrongEcdsa}`,
      `DB3 ${ed25519}`,
      "no line at all",
      "",
    ].join("\n");
    for (const hash of [false, true]) {
      const path = await folder.write(
        `hosts${hash}`,
        hash ? text.replace(/no line.*\n/, "") : text,
      );
      if (hash) await must("ssh-keygen", ["-q", "-H", "-f", path]);
      const known = await readKnownHosts(path);
      for (const host of ["db1", "db2", "db3", "db4", "a.example.com", "bad.example.com"]) {
        for (const port of [22, 2222]) {
          const name = port === 22 ? host : `[${host}]:${port}`;
          const { text: said } = await run("ssh-keygen", ["-F", name, "-f", path]);
          const lines = [...said.matchAll(/found: line (\d+)/g)].map((match) => Number(match[1]));
          assertEquals(known.find(host, port).map(({ line }) => line), lines, name);
        }
      }
    }
    // A line with a single host, which both can remove.
    const path = await folder.write("one", text.replace(/no line.*\n/, ""));
    await must("ssh-keygen", ["-q", "-R", "[db1]:2222", "-f", path]);
    const ours = (await readKnownHosts(`${path}.old`)).without("db1", 2222);
    assertEquals(ours.toString(), await Deno.readTextFile(path));
  },
);

await peerTest(["ssh"], "ssh recognizes a host by our lines", async () => {
  await using server = await startOurs();
  await using folder = await tempFolder();
  for (const hash of [false, true]) {
    const path = folder.join(`written${hash}`);
    const options = { hostKeys: knownHosts(path, { unknown: "add", hash }) };
    await (await connectTo(server, options)).close();
    assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
    assertEquals((await Deno.readTextFile(path)).startsWith("|1|"), hash);
    assertEquals(await verdicts(server, path), { ssh: true, ours: true });
  }
});

/** Valid and invalid certificates for 127.0.0.1. */
const certificates: Record<
  string,
  // OpenSSH 10.3 changed some verdicts: ours are the new ones, and the installed `ssh` may be older.
  { good: boolean; changed?: true; make: () => Promise<CertifyOptions> | CertifyOptions }
> = {
  "one for the host": { good: true, make: () => ({ principals: ["127.0.0.1"] }) },
  "one for several hosts": { good: true, make: () => ({ principals: ["db1", "127.0.0.1"] }) },
  "one for a pattern": { good: true, changed: true, make: () => ({ principals: ["127.0.*"] }) },
  "one for all hosts": { good: false, changed: true, make: () => ({}) },
  "one for another host": { good: false, make: () => ({ principals: ["127.0.0.2"] }) },
  "one that has expired": {
    good: false,
    make: () => ({ principals: ["127.0.0.1"], validity: "-2w:-1w" }),
  },
  "one that is not valid yet": {
    good: false,
    make: () => ({ principals: ["127.0.0.1"], validity: "+1w:+2w" }),
  },
  "one by another authority": {
    good: false,
    make: async () => ({ principals: ["127.0.0.1"], authority: await keyFile("rsa", "wrong") }),
  },
  "one for a user": { good: false, make: () => ({ principals: ["127.0.0.1"], host: false }) },
  "one with an unknown critical option": {
    good: false,
    make: () => ({
      principals: ["127.0.0.1"],
      options: ["critical:dance@example.com=tango"],
    }),
  },
};

/** Our server, which presents a certificate, or the plain key on request. */
async function certifiedServer(folder: TempFolder, kind: KeyKind, options: CertifyOptions) {
  const certified = await certifiedKey(folder, "host", { kind, host: true, ...options });
  const key = importPrivateKey(await Deno.readTextFile(certified.path));
  const certificate = importPublicKey(certified.certificate);
  return await startOurs({ hostKeys: [withCertificate(key, certificate), key] });
}

for (const [name, { good, changed, make }] of Object.entries(certificates)) {
  await peerTest(
    ["ssh"],
    `A host's certificate: our verdict on ${name} is that of ssh`,
    async () => {
      await using folder = await tempFolder();
      const trusted = (await authority()).publicKey;
      await using server = await certifiedServer(folder, "ed25519", await make());
      const trust = async (text: string) => {
        const both = await verdicts(server, await folder.write("known_hosts", text));
        return changed ? { ...both, ssh: both.ours } : both;
      };
      for (const host of [`[127.0.0.1]:${server.port}`, "127.0.0.1", "127.0.0.*,db1"]) {
        assertEquals(await trust(`@cert-authority ${host} ${trusted}\n`), {
          ssh: good,
          ours: good,
        });
      }
      const no = { ssh: false, ours: false };
      assertEquals(await trust(`@cert-authority db1 ${trusted}\n`), no);
      // The key in the certificate may be known, even if the certificate is invalid.
      const both = `@cert-authority * ${trusted}\n127.0.0.1 ${ed25519}\n`;
      assertEquals(await trust(both), { ssh: true, ours: true });
      assertEquals(await trust(`${both}@revoked * ${ed25519}\n`), no);
      if (good) assertEquals(await trust(`${both}@revoked * ${trusted}\n`), no);
    },
  );
}

await peerTest(
  ["ssh"],
  "ssh accepts certificates of every type of key from our server",
  async () => {
    await using folder = await tempFolder();
    const path = await folder.write("ca", `@cert-authority * ${(await authority()).publicKey}\n`);
    for (const kind of KEY_KINDS.filter((kind) => kind !== "ed25519")) {
      await using server = await certifiedServer(folder, kind, { principals: ["127.0.0.1"] });
      assertEquals(await verdicts(server, path), { ssh: true, ours: true });
    }
  },
);

await peerTest(
  ["sshd"],
  "sshd's certificates are accepted, or refused with the reason",
  async () => {
    await using folder = await tempFolder();
    const trusted = (await authority()).publicKey;
    const path = await folder.write("ca", `@cert-authority * ${trusted}\n`);
    const serve = async (kind: KeyKind, options: CertifyOptions) => {
      const key = await certifiedKey(folder, "host", { kind, host: true, ...options });
      return await startSshd({
        hostKeys: [kind],
        config: { HostCertificate: `${key.path}-cert.pub`, HostKey: key.path },
      });
    };
    for (const kind of KEY_KINDS) {
      await using server = await serve(kind, { principals: ["127.0.0.1"] });
      await using host = await connectTo(server, { hostKeys: knownHosts(path) });
      assertStringIncludes(host.info.hostKeyAlgorithm, "-cert-v01@openssh.com");
      await host.rekey();
      assertEquals(await host.run("echo in"), "in");
    }
    await using server = await serve("ed25519", { validity: "-2w:-1w" });
    const error = await connectTo(server, { hostKeys: knownHosts(path) }).catch((error) => error);
    assert(error instanceof HostKeyError);
    assertEquals(error.reason, "unknown");
    assertStringIncludes(error.message, "Certificate has expired");
  },
);

await peerTest(["sshd"], "Our client updates the keys of an sshd", async () => {
  await using folder = await tempFolder();
  await using server = await startSshd();
  const here = `[127.0.0.1]:${server.port}`;
  const all = Object.values(server.hostKeys).map(({ publicKey }) => publicKey);
  const path = await folder.write("hosts", `# mine\n${here} ${ed25519} first\n${here} ${wrong}\n`);
  const asked: number[] = [];
  const policy = knownHosts(path, {
    update: (_host, { added, removed }) => asked.push(added.length, removed.length) > 0,
  });
  const updated = Promise.withResolvers<void>();
  const hostKeys: HostKeyPolicy = {
    ...policy,
    update: (...args) =>
      Promise.resolve(policy.update!(...args)).then(updated.resolve, updated.reject),
  };
  {
    await using host = await connectTo(server, { hostKeys });
    await updated.promise;
    assertEquals(asked, [all.length - 1, 1]);
    assertEquals(await host.run("echo in"), "in");
  }
  const text = await Deno.readTextFile(path);
  assert(text.startsWith(`# mine\n${here} ${ed25519} first\n`), text);
  assert(all.every((key) => text.includes(key.split(" ")[1]!)), text);
  assert(!text.includes(wrong!.split(" ")[1]!), text);
  assertEquals(await verdicts(server, path), { ssh: true, ours: true });
});

await peerTest(["ssh"], "ssh updates the keys of our server", async (t) => {
  await using server = await startOurs({}, ["ed25519", "ecdsa256", "rsa"]);
  await using folder = await tempFolder();
  const here = `[127.0.0.1]:${server.port}`;
  for (
    const [kind, shown] of [["ed25519", ed25519], ["rsa", (await keyFile("rsa", "host")).publicKey]]
  ) {
    await t.step(`after a first connection with ${kind}`, async () => {
      const path = await folder.write("hosts", `${here} ${shown}\n${here} ${wrong}\n`);
      const config = {
        UserKnownHostsFile: path,
        UpdateHostKeys: "yes",
        HostKeyAlgorithms: kind === "rsa" ? "^rsa-sha2-256" : "^ssh-ed25519",
      };
      // The session lasts until ssh has written them; our server runs on the same machine.
      const written = `until grep -q ecdsa ${path}; do sleep 0.05; done`;
      const ran = await runClient("ssh", server, [written], { config });
      assertEquals([ran.code, ran.stderr], [0, ""]);
      const types = (await Deno.readTextFile(path)).trim().split("\n").map((l) => l.split(" ")[1]);
      assertEquals(types.sort(), ["ecdsa-sha2-nistp256", "ssh-ed25519", "ssh-rsa"]);
    });
  }
  assertEquals(server.errors, []);
});
