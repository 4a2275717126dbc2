/** The keys that become methods, how each is offered, and the reports on the others. */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import { equals } from "@std/bytes";
import { AuthError, Keyring, listenAgent } from "@denossh/ssh";
import {
  generateKey,
  importPrivateKey,
  issueCertificate,
  type PrivateKey,
} from "@denossh/ssh/keys";
import { keyOffers, type Offer } from "../../lib/login/key_offers.ts";
import type { LoginSettings } from "../../lib/login/settings.ts";
import { decodeBase64, encodeBase64 } from "../../lib/encoding.ts";
import { UserauthPkOk } from "../../lib/wire/messages.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { PublicKeyProbe } from "../../lib/wire/requests.ts";
import { plainMessage } from "../../lib/error_messages.ts";
import { dialogWith, FAILURE } from "../auth/fake_dialog.ts";
import { testKey } from "../support/keys.ts";
import { replaced } from "../support/replaced.ts";
import { tempFolder } from "../support/temp.ts";

const key = await generateKey();
const other = await generateKey();
const locked = key.export({ passphrase: "secret", rounds: 1 });
const rsa = await testKey("rsa");
const authority = await generateKey();
const certify = (of: PrivateKey) =>
  issueCertificate(authority, of.publicKey, { kind: "user", keyId: "me", principals: ["me"] });

/** The offers for keys in files, for a user who answers every question in one way. */
async function offersFor(files: readonly string[], settings: LoginSettings = {}, answer = "") {
  let asked = 0;
  await using folder = await tempFolder();
  const IdentityFile = await Promise.all(
    files.map((text, at) => folder.write(`key${at}`, text)),
  );
  const ask = answer === "" ? null : () => (asked++, Promise.resolve(answer));
  const offers = await keyOffers(
    { IdentityAgent: "none", IdentityFile, ...settings },
    { agent: {}, ask, report: null },
  );
  return {
    offers,
    asked: () => asked,
    said: offers.flatMap((offer) => "message" in offer ? offer.message : []),
  };
}

/** The key in the first message of each method, and whether it signs. */
async function firstMessages(offers: readonly Offer[]) {
  const messages = [];
  for (const offer of offers) {
    if ("message" in offer) continue;
    const dialog = dialogWith([FAILURE]);
    assertStrictEquals(await offer.authenticate(dialog), FAILURE);
    const { data } = dialog.sent[0]!;
    const signed = data[0] !== 0;
    const asked = signed ? null : PublicKeyProbe.decode(data);
    messages.push({ signed, blob: asked?.publicKey });
  }
  return messages;
}

Deno.test("A key of the agent is only queried until the server accepts it", async () => {
  using keyring = new Keyring();
  await using agent = await listenAgent(keyring);
  keyring.add(importPrivateKey(key.export()));
  const { offers } = await offersFor([other.export()], { IdentityAgent: agent.path });
  assertEquals(await firstMessages(offers), [
    { signed: false, blob: key.publicKey.blob },
    { signed: true, blob: undefined },
  ]);
});

Deno.test("A certificate of CertificateFile is offered only with its own key", async () => {
  await using folder = await tempFolder();
  const file = await folder.write("certificate", `${await certify(key)}\n`);
  const names = async (keys: readonly PrivateKey[]) => {
    const { offers } = await offersFor(keys.map((each) => each.export()), {
      CertificateFile: [file],
    });
    return offers.map((offer) => "authenticate" in offer && offer.label);
  };
  const nameOf = ({ publicKey }: PrivateKey) => `key ED25519 ${publicKey.fingerprint()}`;
  assertEquals((await names([other])).length, 1);
  const [first, ...keys] = await names([other, key]);
  assert(first !== nameOf(key) && String(first).includes(key.publicKey.fingerprint()));
  assertEquals(keys.length, 2);
});

const accepted: [settings: LoginSettings, why: RegExp | null][] = [
  [{}, null],
  [{ PubkeyAcceptedAlgorithms: "rsa-sha2-256" }, null],
  [{ PubkeyAcceptedAlgorithms: "ssh-rsa" }, null],
  [{ PubkeyAcceptedAlgorithms: "ssh-ed25519" }, /no signature algorithm of ssh-rsa is in/],
  [{ RequiredRSASize: 2048 }, null],
  [{ RequiredRSASize: 2049 }, /it has less than 2049 bits$/],
];
for (const [settings, why] of accepted) {
  const [outcome, name] = [why === null ? "is offered" : "is skipped", JSON.stringify(settings)];
  Deno.test(`An RSA key of 2048 bits ${outcome} with ${name}`, async () => {
    const { offers, said } = await offersFor([rsa.export()], settings);
    assertEquals([offers.length, said.length], [1, why === null ? 0 : 1]);
    if (why !== null) assert(why.test(said[0]!), said[0]);
    // One that shows its public half only to the passphrase is judged when it is unlocked.
    const encrypted = rsa.export({ format: "pkcs8", passphrase: "secret", rounds: 1 });
    const [method] = (await offersFor([encrypted], settings, "secret")).offers;
    assert("authenticate" in method!);
    const login = method.authenticate(dialogWith([FAILURE]));
    if (why === null) assertStrictEquals(await login, FAILURE);
    else assert(why.test(plainMessage(await assertRejects(() => login, AuthError))));
  });
}

Deno.test("RequiredRSASize leaves keys of other types alone", async () => {
  const { offers, said } = await offersFor([key.export()], { RequiredRSASize: 4096 });
  assertEquals([offers.length, said], [1, []]);
});

/** Has the one method of an offer sign, as if the server had accepted the key. */
async function sign({ offers: [method] }: { offers: readonly Offer[] }): Promise<void> {
  const ok = UserauthPkOk.encode({ algorithm: "ssh-ed25519", publicKey: key.publicKey.blob });
  assert("authenticate" in method!);
  assertStrictEquals(await method.authenticate(dialogWith([ok, FAILURE])), FAILURE);
}

Deno.test("An unlocked key is added to the agent before it signs, and wiped after it", async () => {
  using keyring = new Keyring();
  await using agent = await listenAgent(keyring);
  const settings = {
    IdentityAgent: agent.path,
    AddKeysToAgent: { add: "yes", lifetime: null },
  } as const;
  const found = await offersFor([locked], settings, "secret");
  let wiped = 0;
  const prototype = Object.getPrototypeOf(key);
  const dispose = prototype[Symbol.dispose];
  using _dispose = replaced(prototype, Symbol.dispose, function (this: PrivateKey) {
    wiped++;
    dispose.call(this);
  });
  await sign(found);
  assertEquals([wiped, keyring.identities().length, found.asked()], [1, 1, 1]);
});

Deno.test("A key that its passphrase does not make usable is asked about once", async () => {
  const found = await offersFor([withoutRounds(locked)], {}, "secret");
  const error = await assertRejects(() => sign(found), AuthError, "Cannot sign");
  assertStringIncludes(plainMessage(error.cause as Error), "0 bcrypt rounds");
  assertEquals(found.asked(), 1);
});

/** The file of an encrypted key that says that its passphrase is hashed 0 times. */
function withoutRounds(file: string): string {
  const [head, ...lines] = file.trim().split("\n");
  const bytes = decodeBase64(lines.slice(0, -1).join(""))!;
  const rounds = new Writer().u32(24).u32(16).take();
  const at = Array.from(bytes.keys()).find((at) =>
    equals(bytes.subarray(at, at + rounds.length), rounds)
  )!;
  bytes.fill(0, at + rounds.length + 16, at + rounds.length + 20);
  return [head, encodeBase64(bytes), lines.at(-1), ""].join("\n");
}
