/** Signatures of a security token made through a browser: we accept those that OpenSSH accepts. */
import { assertEquals, assertThrows } from "@std/assert";
import { AuthError, publicKey, SignatureError } from "@denossh/ssh";
import { importPublicKey, signMessage, verifyMessage } from "@denossh/ssh/keys";
import { cli } from "../../cli/world.ts";
import { type BrowserClaims, browserKey } from "../../keys/security_token.ts";
import type { Endpoint } from "../../support/endpoint.ts";
import { connectTo, startOurs } from "../harness/ours.ts";
import { peerTest } from "../harness/peers.ts";
import { run } from "../../support/run.ts";
import { startSshd } from "../harness/sshd.ts";
import { tempFolder } from "../../support/temp.ts";

const WEBAUTHN = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com";

const EXTENSIONS = new Uint8Array([0xa0]);
const cases: [string, BrowserClaims, boolean][] = [
  ["as it should be", {}, true],
  ["for another site", { origin: "http://localhost:8080" }, true],
  ["with extensions", { flags: 0x81, extensions: EXTENSIONS }, true],
  ["with extensions that no flag tells of", { flags: 1, extensions: EXTENSIONS }, false],
  ["with a flag of extensions and none", { flags: 0x81 }, false],
  ["with a new key", { flags: 0x41 }, false],
  ["without a touch", { flags: 4 }, false],
  ["with a quote in its origin", { origin: 'https://example.org","x":"' }, false],
  [
    "of another origin than it says",
    {
      clientData:
        '{"type":"webauthn.get","challenge":"CHALLENGE","origin":"https://elsewhere.org"}',
    },
    false,
  ],
  [
    "of an origin that only begins alike",
    {
      clientData:
        '{"type":"webauthn.get","challenge":"CHALLENGE","origin":"https://example.org.evil"}',
    },
    false,
  ],
  [
    "of another challenge",
    { clientData: '{"type":"webauthn.get","challenge":"AAAA","origin":"https://example.org"}' },
    false,
  ],
  [
    "that is a registration",
    {
      clientData:
        '{"type":"webauthn.create","challenge":"CHALLENGE","origin":"https://example.org"}',
    },
    false,
  ],
  [
    "in another order",
    {
      clientData: '{"challenge":"CHALLENGE","type":"webauthn.get","origin":"https://example.org"}',
    },
    false,
  ],
  [
    "with more at the end",
    {
      clientData:
        '{"type":"webauthn.get","challenge":"CHALLENGE","origin":"https://example.org","x":1}',
    },
    true,
  ],
  ["of nothing", { clientData: "" }, false],
];

await peerTest(
  ["sshd"],
  "A browser's signature logs in to our server as it does to sshd",
  async (t) => {
    const keys = cases.map(([, claims]) => browserKey(claims));
    const config = { PubkeyAcceptedAlgorithms: `+${WEBAUTHN}`, MaxAuthTries: 20 };
    const authorized = keys.map((key) => importPublicKey(keyLine(key)).toString());
    await using theirs = await startSshd({ config, authorized });
    await using ours = await startOurs({
      auth: { publicKey: (_user, key) => keys.some((each) => key.equals(each.publicKey)) },
      algorithms: { userKey: `+${WEBAUTHN}` },
    });
    for (const [at, [name, , expected]] of cases.entries()) {
      await t.step(name, async () => {
        const logsIn = async (server: Endpoint) => {
          try {
            await using _host = await connectTo(server, { auth: [publicKey(keys[at]!)] });
            return true;
          } catch (error) {
            if (error instanceof AuthError) return false;
            throw error;
          }
        };
        assertEquals([await logsIn(theirs), await logsIn(ours)], [expected, expected]);
      });
    }
  },
);

await peerTest(
  ["sshd"],
  "Neither sshd nor our server accepts a browser's signature by default",
  async () => {
    const key = browserKey();
    await using theirs = await startSshd({ authorized: [keyLine(key)] });
    await using ours = await startOurs({ auth: { publicKey: () => true } });
    for (const server of [theirs, ours]) {
      const login = connectTo(server, { auth: [publicKey(key)] });
      assertEquals(await login.then(() => "in", (error) => error.constructor), AuthError);
    }
  },
);

await peerTest(
  ["ssh-keygen"],
  "We verify a browser's signature of a message as ssh-keygen does",
  async (t) => {
    await using folder = await tempFolder();
    const message = new TextEncoder().encode("what is signed");
    for (const [name, claims, good] of cases) {
      await t.step(name, async () => {
        const key = browserKey(claims);
        const text = await signMessage(key, message, { namespace: "file" });
        const allowed = await folder.write("allowed", `ann ${keyLine(key)}\n`);
        const file = await folder.write("signature", text);
        const args = ["-Y", "verify", "-f", allowed, "-I", "ann", "-n", "file", "-s", file];
        const { code } = await run("ssh-keygen", args, { stdin: message });
        // ssh-keygen requires no touch.
        const options = { namespace: "file", noTouchRequired: true };
        const verify = () => verifyMessage(text, message, options);
        const expected = good || claims.flags === 4;
        if (expected) assertEquals(verify().algorithm, WEBAUTHN);
        else assertThrows(verify, SignatureError);
        assertEquals(code === 0, expected);
        if (claims.flags === 4) {
          assertEquals((await cli(["keygen", ...args], { stdin: message })).code, 0);
        }
      });
    }
  },
);

Deno.test("The browser's signature in OpenSSH's test vectors verifies", () => {
  // openssh-portable, regress/unittests/sshsig/testdata: ecdsa_sk_webauthn.
  const key =
    "sk-ecdsa-sha2-nistp256@openssh.com AAAAInNrLWVjZHNhLXNoYTItbmlzdHAyNTZAb3BlbnNzaC5jb2" +
    "0AAAAIbmlzdHAyNTYAAABBBBRGwDjs4HhJFcn4tJ5Gr72KcmRmCS1OirETxaXvnsNApgoOLF1a/7rxldfSMHm73eT1nhHe97W8" +
    "qicPPEAKDJQAAAALbWluZHJvdC5vcmc=";
  const text = `-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAAIYAAAAic2stZWNkc2Etc2hhMi1uaXN0cDI1NkBvcGVuc3NoLmNvbQ
AAAAhuaXN0cDI1NgAAAEEEFEbAOOzgeEkVyfi0nkavvYpyZGYJLU6KsRPFpe+ew0CmCg4s
XVr/uvGV19Iwebvd5PWeEd73tbyqJw88QAoMlAAAAAttaW5kcm90Lm9yZwAAAAh1bml0dG
VzdAAAAAAAAAAGc2hhNTEyAAABhwAAACt3ZWJhdXRobi1zay1lY2RzYS1zaGEyLW5pc3Rw
MjU2QG9wZW5zc2guY29tAAAASQAAACBj2oMT9tb5wRXe6mdmf4/lgAO8wrgr95ouozwNg4
itnQAAACEAtU9g5wz3HchUiLfLD6plr9T4TiJ32lVCrATSjpiy0SMBAAADHwAAABdodHRw
czovL3d3dy5taW5kcm90Lm9yZwAAAON7InR5cGUiOiJ3ZWJhdXRobi5nZXQiLCJjaGFsbG
VuZ2UiOiJVMU5JVTBsSEFBQUFDSFZ1YVhSMFpYTjBBQUFBQUFBQUFBWnphR0UxTVRJQUFB
QkFMTHU4WmdjU3h0Nk1zRlV6dWlaZ0c2R3dNZEo5ZDd4ZUU3WW9SSXcwZzlpSEpfd3NGRD
cxbzRXbHllenZGV0VqYnFRMHFDN0Z3R3Bqa2pVUVAtTmQ2dyIsIm9yaWdpbiI6Imh0dHBz
Oi8vd3d3Lm1pbmRyb3Qub3JnIiwiY3Jvc3NPcmlnaW4iOmZhbHNlfQAAAAA=
-----END SSH SIGNATURE-----
`;
  const message = new TextEncoder().encode("This is a test, this is only a test");
  const signature = verifyMessage(text, message, { namespace: "unittest" });
  assertEquals(`${signature.publicKey}`, key);
  assertEquals(signature.verify(message, { verifyRequired: true }), false);
  assertThrows(() => verifyMessage(text, message.subarray(1), { namespace: "unittest" }));
});

/** A key as a line; a browser's own would list its algorithm. */
function keyLine({ publicKey }: { publicKey: { blob: Uint8Array } }): string {
  return `sk-ecdsa-sha2-nistp256@openssh.com ${publicKey.blob.toBase64()}`;
}
