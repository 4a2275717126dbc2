import { assertEquals } from "@std/assert";
import { SignatureError } from "../../../lib/errors.ts";
import {
  AllowedSigners,
  generateKey,
  issueCertificate,
  signMessage,
  withCertificate,
} from "../../../lib/keys/mod.ts";
import { tempFolder } from "../../support/temp.ts";
import { peerTest } from "../harness/peers.ts";
import { run } from "../../support/run.ts";

const plain = await generateKey("ed25519", { comment: "ann@home" });
const other = await generateKey("ed25519");
const authority = await generateKey("ecdsa-p256");
const certificate = await issueCertificate(authority, plain.publicKey, {
  ...{ kind: "user", keyId: "ann", principals: ["ann@example.com", "eve"] },
  validAfter: new Date("2022-01-01T00:00:00Z"),
  validBefore: new Date("2024-01-01T00:00:00Z"),
});
const forAll = await issueCertificate(authority, plain.publicKey, {
  ...{ kind: "user", keyId: "all", principals: [] },
});
const forHost = await issueCertificate(authority, plain.publicKey, {
  ...{ kind: "host", keyId: "host", principals: ["ann@example.com"] },
});
const SIGNERS = {
  plain,
  certified: withCertificate(plain, certificate),
  forAll: withCertificate(plain, forAll),
  forHost: withCertificate(plain, forHost),
};
const KEY = plain.publicKey.toString();
const CA = authority.publicKey.toString();
const BARE = KEY.split(" ").slice(0, 2).join(" ");

/** Files that allow and refuse, each checked with every signer, principal, namespace and time below. */
const FILES: Record<string, string> = {
  "one key": `ann@example.com ${KEY}`,
  "a key without a comment": `ann@example.com ${BARE}`,
  "comments, blanks and tabs": `# all\n\n  \n\tann@example.com\t${BARE}   a comment\n`,
  "another key": `ann@example.com ${other.publicKey}`,
  "another key, then the key": `ann@example.com ${other.publicKey}\nann@example.com ${KEY}`,
  "a pattern": `*@example.com ${KEY}`,
  "a pattern and an exception": `*@example.com,!ann@example.com ${KEY}`,
  "an exception alone": `!eve ${KEY}`,
  "several names": `bob,ann@example.com,eve ${KEY}`,
  "names in quotes": `"ann@example.com,eve" ${KEY}`,
  "a name in another case": `Ann@example.com ${KEY}`,
  "a namespace": `ann@example.com namespaces="file" ${KEY}`,
  "namespaces by pattern": `ann@example.com namespaces="g*,!gut" ${KEY}`,
  "another namespace": `ann@example.com namespaces="git" ${KEY}`,
  "no namespace": `ann@example.com namespaces="" ${KEY}`,
  "a start": `ann@example.com valid-after="20230101Z" ${KEY}`,
  "a start that is late": `ann@example.com valid-after="20250101Z" ${KEY}`,
  "an end": `ann@example.com valid-before="20250101Z" ${KEY}`,
  "an end that has come": `ann@example.com valid-before="20220601Z" ${KEY}`,
  "a time": `ann@example.com valid-after="202206010000Z",valid-before="20250101000000Z" ${KEY}`,
  "a time that is backwards": `ann@example.com valid-after="2025",valid-before="2022" ${KEY}`,
  "a month too many": `ann@example.com valid-before="20251301Z" ${KEY}`,
  "an option in capitals": `ann@example.com NAMESPACES="file" ${KEY}`,
  "all options": `ann@example.com namespaces="file",valid-after="20220101Z",cert-authority ${CA}`,
  "an unknown option": `ann@example.com no-pty ${KEY}`,
  "an unknown option, then the key": `ann@example.com no-pty ${KEY}\nann@example.com ${KEY}`,
  "an option twice": `ann@example.com namespaces="file",namespaces="git" ${KEY}`,
  "an option without its value": `ann@example.com namespaces ${KEY}`,
  "an option without quotes": `ann@example.com namespaces=file ${KEY}`,
  "an option without an end": `ann@example.com namespaces="file ${KEY}`,
  "an authority": `ann@example.com cert-authority ${CA}`,
  "an authority by pattern": `*@example.com cert-authority ${CA}`,
  "an authority for somebody else": `bob cert-authority ${CA}`,
  "an authority for a namespace": `* cert-authority,namespaces="git" ${CA}`,
  "an authority that is none": `ann@example.com ${CA}`,
  "a key that is said to be an authority": `ann@example.com cert-authority ${KEY}`,
  "another authority": `ann@example.com cert-authority ${other.publicKey}`,
  "a certificate": `ann@example.com ${certificate}`,
  "names alone": "ann@example.com",
  "names and a type": "ann@example.com ssh-ed25519",
  "nothing": "",
};
const PRINCIPALS = ["ann@example.com", "eve", "*"];
const TIMES = ["20220301Z", "20230601Z", "20260101Z"];

for (const [name, signer] of Object.entries(SIGNERS)) {
  await peerTest(
    ["ssh-keygen"],
    `AllowedSigners agrees with ssh-keygen -Y about a signer that is ${name}`,
    async () => {
      await using folder = await tempFolder();
      const sig = `${folder.path}/sig`;
      const text = await signMessage(signer, new TextEncoder().encode("x"), { namespace: "file" });
      await Deno.writeTextFile(sig, text);
      const signed = { publicKey: signer.publicKey, namespace: "file" };
      const differences: string[] = [];
      const compare = (what: string, ours: unknown, theirs: unknown) => {
        if (`${ours}` !== `${theirs}`) differences.push(`${what}: ${ours} instead of ${theirs}`);
      };
      for (const [what, file] of Object.entries(FILES)) {
        // Certificates do not affect lines with only a key, and times do not affect lines without one.
        const concerns = name === "plain" || /authority|certificate/.test(what) ||
          what === "one key";
        if (!concerns) continue;
        const times = name === "plain" && !/valid-/.test(file) ? [TIMES[1]!] : TIMES;
        const allowed = AllowedSigners.parse(file);
        const path = `${folder.path}/allowed`;
        await Deno.writeTextFile(path, file);
        const y = (...args: string[]) => run("ssh-keygen", ["-Y", ...args], { stdin: "x" });
        for (const time of times) {
          const year = time.slice(0, 4), month = time.slice(4, 6);
          const now = new Date(`${year}-${month}-01T00:00:00Z`);
          const at = ["-f", path, "-s", sig, "-O", `verify-time=${time}`];
          const found = await y("find-principals", ...at);
          const theirs = found.code === 0 ? found.text.trim().split("\n") : [];
          compare(`found by ${what} at ${time}`, allowed.findPrincipals(signed, now), theirs);
          for (const principal of PRINCIPALS.slice(0, time === TIMES[1] ? 3 : 1)) {
            const { code } = await y("verify", ...at, "-I", principal, "-n", "file");
            compare(
              `${principal} by ${what} at ${time}`,
              accepts(allowed, signed, principal, now),
              code === 0,
            );
          }
        }
        // Only here does ssh-keygen stop at a malformed line.
        if (what === "an unknown option, then the key" || name !== "plain") continue;
        const matched = await y("match-principals", "-f", path, "-I", "ann@example.com");
        const theirs = matched.code === 0 ? matched.text.trim().split("\n") : [];
        compare(`matched by ${what}`, allowed.matchPrincipals("ann@example.com"), theirs);
      }
      assertEquals(differences, []);
    },
  );
}

function accepts(
  allowed: AllowedSigners,
  signed: Parameters<AllowedSigners["check"]>[0],
  principal: string,
  now: Date,
): boolean {
  try {
    allowed.check(signed, principal, now);
    return true;
  } catch (error) {
    if (error instanceof SignatureError) return false;
    throw error;
  }
}
