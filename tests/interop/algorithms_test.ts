/** Each key exchange, host key, cipher and MAC in turn, in both roles, with real peers. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { AlgorithmOptions } from "@denossh/ssh";
import { AuthError, NegotiationError } from "@denossh/ssh";
import { startDropbear } from "./harness/dropbear.ts";
import { runForeign } from "./harness/foreign_clients.ts";
import { startForeign } from "./harness/foreign_server.ts";
import { KEY_KINDS, type KeyKind } from "./harness/keys.ts";
import { connectTo, noise, startOurs } from "./harness/ours.ts";
import { runClient, runDbclient } from "./harness/openssh_clients.ts";
import { findPeer, peerTest } from "./harness/peers.ts";
import { stepUnless } from "./harness/control.ts";
import { must } from "../support/run.ts";
import { startSshd } from "./harness/sshd.ts";
import {
  clientControl,
  dbclientControl,
  dropbearControl,
  firstOf,
  pairControl,
  serverControl,
} from "./harness/peer_controls.ts";

const KEX = [
  "sntrup761x25519-sha512@openssh.com",
  "curve25519-sha256",
  "curve25519-sha256@libssh.org",
  "ecdh-sha2-nistp256",
  "ecdh-sha2-nistp384",
  "ecdh-sha2-nistp521",
  "diffie-hellman-group14-sha256",
  "diffie-hellman-group16-sha512",
  "diffie-hellman-group18-sha512",
  "diffie-hellman-group-exchange-sha256",
  "diffie-hellman-group14-sha1",
  "diffie-hellman-group-exchange-sha1",
  "diffie-hellman-group1-sha1",
];
const HOST_KEYS: Record<string, KeyKind> = {
  "ssh-ed25519": "ed25519",
  "ecdsa-sha2-nistp256": "ecdsa256",
  "ecdsa-sha2-nistp384": "ecdsa384",
  "ecdsa-sha2-nistp521": "ecdsa521",
  "rsa-sha2-256": "rsa",
  "rsa-sha2-512": "rsa",
  "ssh-rsa": "rsa",
};
const AEAD = [
  "chacha20-poly1305@openssh.com",
  "aes128-gcm@openssh.com",
  "aes256-gcm@openssh.com",
];
const CTR = ["aes128-ctr", "aes192-ctr", "aes256-ctr"];
const CBC = ["aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"];
const MACS = [
  "hmac-sha2-256-etm@openssh.com",
  "hmac-sha2-512-etm@openssh.com",
  "hmac-sha2-256",
  "hmac-sha2-512",
  "hmac-sha1",
  "hmac-sha1-etm@openssh.com",
];

/** One list differs from the defaults in each. */
const TURNS: AlgorithmOptions[] = [
  ...KEX.map((kex) => ({ kex })),
  ...Object.keys(HOST_KEYS).map((hostKey) => ({ hostKey })),
  ...AEAD.map((cipher) => ({ cipher })),
  ...CTR.map((cipher) => ({ cipher, mac: MACS[1]! })),
  ...MACS.map((mac) => ({ cipher: CTR[0]!, mac })),
  ...CBC.flatMap((cipher) => ["hmac-sha1", MACS[0]!].map((mac) => ({ cipher, mac }))),
  { compression: "zlib@openssh.com" },
];

/** The algorithms of each kind that the installed `ssh` knows; each version lacks some. */
const known = await findPeer("ssh") === null ? [] : (await Promise.all(
  ["kex", "cipher", "mac", "HostKeyAlgorithms"].map((kind) => must("ssh", ["-Q", kind])),
)).flatMap(({ text }) => text.trim().split("\n"));
const knows = (name: string) => known.includes(name);

/** Why this OpenSSH cannot run a case; null if it can. */
function unknownTo({ kex, hostKey, cipher, mac }: AlgorithmOptions): string | null {
  const lacking = [kex, hostKey, cipher, mac].find((name) => name && !knows(`${name}`));
  return lacking === undefined ? null : `this ssh has no ${lacking}`;
}
const title = (turn: AlgorithmOptions) => Object.values(turn).join(" ");

// Odd, and more than a window, so that packets of many sizes and a window adjust occur.
const sample = noise(2_200_001);
// Less data where key exchanges are tested, or ciphers are slow.
const sampleOf = ({ cipher, mac }: AlgorithmOptions) =>
  /ctr|gcm|chacha/.test(`${cipher}`) && !/sha1/.test(`${mac}`)
    ? sample
    : sample.subarray(0, 70_001);

await peerTest(
  ["sshd"],
  "Our client moves data with OpenSSH's sshd by every algorithm",
  async (t) => {
    await using server = await startSshd({
      // Algorithms that sshd does not offer by default must be configured.
      config: {
        MACs: MACS.filter(knows).join(","),
        Ciphers: [...AEAD, ...CTR, ...CBC].filter(knows).join(","),
        KexAlgorithms: KEX.filter(knows).join(","),
        HostKeyAlgorithms: Object.keys(HOST_KEYS).filter(knows).join(","),
      },
    });
    for (const turn of TURNS) {
      await stepUnless(unknownTo(turn), t, title(turn), async () => {
        await using host = await connectTo(server, { algorithms: turn });
        const stdin = sampleOf(turn);
        const { stdout, code } = await host.command("cat", { stdin }).output();
        assertEquals(code, 0);
        assertEquals(stdout, stdin);
        const { kex, hostKeyAlgorithm, cipher, mac, compression } = host.info;
        assertEquals(compression, turn.compression ?? "none");
        if (turn.kex) assertEquals(kex, turn.kex);
        if (turn.hostKey) assertEquals(hostKeyAlgorithm, turn.hostKey);
        if (turn.cipher) assertEquals(cipher, turn.cipher);
        if (turn.mac) assertEquals(mac, turn.mac);
      });
    }
  },
);

await peerTest(
  ["ssh"],
  "OpenSSH's client moves data with our server by every algorithm",
  async (t) => {
    await using server = await startOurs({
      algorithms: {
        kex: KEX,
        mac: MACS,
        cipher: "*",
        compression: "*",
        hostKey: Object.keys(HOST_KEYS),
      },
    }, KEY_KINDS);
    for (const turn of TURNS) {
      await stepUnless(unknownTo(turn), t, title(turn), async () => {
        const stdin = sampleOf(turn);
        const result = await runClient("ssh", server, ["cat"], {
          stdin,
          config: {
            KexAlgorithms: `${turn.kex ?? KEX.filter(knows).join(",")}`,
            HostKeyAlgorithms: `${turn.hostKey ?? "ssh-ed25519"}`,
            Ciphers: `${turn.cipher ?? AEAD[0]}`,
            MACs: `${turn.mac ?? MACS[0]}`,
            Compression: turn.compression ? "yes" : "no",
          },
        });
        assertEquals([result.code, result.stderr], [0, ""]);
        assertEquals(result.stdout, stdin);
      });
    }
  },
);

const USER_KEYS: [string, KeyKind][] = [
  ["ecdsa-sha2-nistp521", "ecdsa521"],
  ["rsa-sha2-256", "rsa"],
  ["ssh-rsa", "rsa"],
];

await peerTest(["sshd"], "Our client logs in with OpenSSH's sshd by every signature", async (t) => {
  for (const [userKey, kind] of USER_KEYS) {
    await t.step(userKey, async () => {
      await using server = await startSshd({
        userKey: kind,
        config: { PubkeyAcceptedAlgorithms: userKey },
      });
      await using host = await connectTo(server, { algorithms: { userKey } });
      assertEquals(await host.run("echo in"), "in");
    });
  }
});

await peerTest(["sshd"], "SHA-1 signatures are made only on request", async () => {
  await using server = await startSshd({
    userKey: "rsa",
    config: { PubkeyAcceptedAlgorithms: "ssh-rsa" },
  });
  await assertRejects(() => connectTo(server), AuthError);
});

await peerTest(
  ["ssh"],
  "OpenSSH's client logs in with our server by every signature",
  async (t) => {
    for (const [userKey, kind] of USER_KEYS) {
      await t.step(userKey, async () => {
        const runs = async (algorithms: AlgorithmOptions) => {
          await using server = await startOurs({ algorithms }, ["ed25519"], undefined, kind);
          const config = { PubkeyAcceptedAlgorithms: userKey };
          return await runClient("ssh", server, ["echo in"], { config });
        };
        const { code, text, stderr } = await runs({ userKey });
        assertEquals([code, text], [0, "in\n"], stderr);
        // Off by default, and not configured here.
        if (userKey === "ssh-rsa") assertEquals((await runs({})).code, 255);
      });
    }
  },
);

// Text, for peers whose zlib flushes differently, and noise, which does not compress.
const compressible = new Uint8Array([
  ...new TextEncoder().encode("all work and no play makes a dull boy, ".repeat(20_000)),
  ...sample.subarray(0, 400_001),
]);

await peerTest(["sshd"], "Compression continues across rekeys with OpenSSH's sshd", async () => {
  await using server = await startSshd({ config: { RekeyLimit: "300K" } });
  await using host = await connectTo(server, { algorithms: { compression: "zlib@openssh.com" } });
  for (let round = 0; round < 3; round++) {
    const { stdout } = await host.command("cat", { stdin: compressible }).output();
    assertEquals(stdout, compressible);
    await host.rekey();
  }
  assertEquals(host.info.compression, "zlib@openssh.com");
});

await peerTest(
  ["ssh"],
  "OpenSSH's ssh -C compresses with our server, before and after authentication",
  async () => {
    for (const compression of ["zlib", "zlib@openssh.com"]) {
      await using server = await startOurs({ algorithms: { compression } });
      const { code, stdout, stderr } = await runClient("ssh", server, ["cat"], {
        stdin: compressible,
        flags: ["-C", "-v"],
        config: { RekeyLimit: "300K" },
      });
      assertEquals(code, 0, stderr);
      assertEquals(stdout, compressible);
      assertStringIncludes(stderr, `compression: ${compression}\r\n`);
    }
  },
);

await peerTest(["go"], "mlkem768x25519-sha256 works with x/crypto in both roles", async () => {
  const kex = ["mlkem768x25519-sha256"];
  {
    await using server = await startForeign("go", { kex });
    await using host = await connectTo(server);
    assertEquals(host.info.kex, kex[0]);
    const { stdout } = await host.command("cat", { stdin: sample }).output();
    assertEquals(stdout, sample);
    await host.rekey();
    assertEquals((await host.command("cat", { stdin: sample }).output()).stdout, sample);
  }
  await using server = await startOurs();
  const result = await runForeign("go", server, ["exec", "cat"], { kex, stdin: sample });
  assertEquals(result.code, 0, result.stderr);
  assertStringIncludes(result.stderr, kex[0]!);
  assertEquals(result.stdout, sample);
}, () => pairControl("go", "agrees on mlkem768x25519-sha256", { kex: ["mlkem768x25519-sha256"] }));

for (const kind of ["asyncssh", "paramiko", "go"] as const) {
  await peerTest([kind], `Our client moves data with a server of ${kind}`, async () => {
    await using server = await startForeign(kind);
    await using host = await connectTo(server);
    assertEquals((await host.command("cat", { stdin: sample }).output()).stdout, sample);
    assertEquals((await host.command("exit 3").output()).code, 3);
  }, () => serverControl(kind));

  await peerTest([kind], `A client of ${kind} moves data with our server`, async (t) => {
    await using server = await startOurs();
    for (const ciphers of [["aes128-ctr"], ["aes256-ctr"]]) {
      await t.step(ciphers[0]!, async () => {
        const result = await runForeign(kind, server, ["exec", "cat"], { ciphers, stdin: sample });
        assertEquals(result.code, 0, result.stderr);
        assertEquals(result.stdout, sample);
      });
    }
    await t.step("exit code", async () => {
      assertEquals((await runForeign(kind, server, ["exec", "exit 3"])).code, 3);
    });
  }, () => clientControl(kind, { ciphers: ["aes128-ctr"] }));
}

for (const kind of ["asyncssh", "go"] as const) {
  await peerTest([kind], `Group exchange works with ${kind} in both roles`, async () => {
    const kex = "diffie-hellman-group-exchange-sha256";
    {
      await using server = await startForeign(kind, { kex: [kex] });
      await using host = await connectTo(server, { algorithms: { kex } });
      assertEquals(host.info.kex, kex);
      assertEquals(await host.run("echo in"), "in");
    }
    await using server = await startOurs();
    const { code, text, stderr } = await runForeign(kind, server, ["exec", "echo in"], {
      kex: [kex],
    });
    assertEquals([code, text], [0, "in\n"], stderr);
  }, () => {
    const kex = ["diffie-hellman-group-exchange-sha256"];
    const client = { config: { KexAlgorithms: kex[0]! } };
    return firstOf(clientControl(kind, { kex }), serverControl(kind, { kex }, client));
  });
}

for (const kind of ["asyncssh", "paramiko"] as const) {
  await peerTest([kind], `A client of ${kind} compresses with our server`, async () => {
    await using server = await startOurs({ algorithms: { compression: "zlib@openssh.com,zlib" } });
    for (const compression of ["zlib", "zlib@openssh.com"]) {
      const options = { compression: [compression], stdin: compressible };
      const { code, stdout, stderr } = await runForeign(kind, server, ["exec", "cat"], options);
      assertEquals(code, 0, stderr);
      assertEquals(stdout, compressible);
    }
  }, () => clientControl(kind, { compression: ["zlib@openssh.com"] }));
}

await peerTest(
  ["dropbear", "root"],
  "Our client moves data with a server of Dropbear",
  async () => {
    await using server = await startDropbear();
    await using host = await connectTo(server);
    assertEquals((await host.command("cat", { stdin: sample }).output()).stdout, sample);
    assertEquals((await host.command("exit 3").output()).code, 3);
  },
  dropbearControl,
);

await peerTest(["dbclient"], "Dropbear's client moves data with our server", async () => {
  await using server = await startOurs();
  const result = await runDbclient(server, ["cat"], { stdin: sample });
  assertEquals(result.code, 0, result.stderr);
  assertEquals(result.stdout, sample);
}, dbclientControl);

await peerTest(["sshd"], "Without a common algorithm the error lists both offers", async () => {
  await using server = await startSshd({ config: { Ciphers: "aes128-ctr" } });
  const error = await assertRejects(
    () => connectTo(server, { algorithms: { cipher: "chacha20-poly1305@openssh.com" } }),
    NegotiationError,
  );
  assertEquals(error.ours, ["chacha20-poly1305@openssh.com"]);
  assertEquals(error.theirs, ["aes128-ctr"]);
});
