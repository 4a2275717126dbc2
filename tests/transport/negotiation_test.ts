/** Negotiation between two KEXINITs (RFC 4253 §7.1), and the messages of extensions and services. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type DirectionKeys, Opener, Sealer } from "../../lib/crypto/packet_cipher.ts";
import { resolveSuite } from "../../lib/crypto/suite.ts";
import { NegotiationError, ProtocolError } from "../../lib/errors.ts";
import { decodeExtInfo, encodeExtInfo } from "../../lib/transport/ext_info.ts";
import { KeyUse } from "../../lib/transport/key_use.ts";
import type { Link } from "../../lib/transport/link.ts";
import { type KexInitValue, negotiate, offer } from "../../lib/transport/negotiation.ts";
import { acceptService, requestService } from "../../lib/transport/service.ts";
import { ExtInfo, KexInit, ServiceAccept, ServiceRequest } from "../../lib/wire/messages.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { greetedPair, transportPair } from "./transport_pair.ts";

const OFFER: KexInitValue = {
  cookie: new Uint8Array(16),
  kex: ["k1", "k2"],
  hostKey: ["h1", "h2"],
  cipherC2S: ["aes128-ctr", "aes256-ctr"],
  cipherS2C: ["aes256-ctr", "aes128-ctr"],
  macC2S: ["m1"],
  macS2C: ["m2"],
  compressionC2S: ["none"],
  compressionS2C: ["zlib", "none"],
  languageC2S: [],
  languageS2C: [],
  firstKexPacketFollows: false,
  reserved: 0,
};

function agreed(client: Partial<KexInitValue>, server: Partial<KexInitValue>) {
  const [mine, theirs] = [{ ...OFFER, ...client }, { ...OFFER, ...server }];
  const one = negotiate("client", mine, theirs);
  const { wrongGuess, ...rest } = negotiate("server", theirs, mine);
  assertEquals({ ...one, wrongGuess: false }, { ...rest, wrongGuess: false }, "the ends disagree");
  return { ...one, guessedByClient: wrongGuess };
}

Deno.test("In each list the client's first algorithm that the server supports is used", () => {
  const both = agreed({}, {
    kex: ["k2", "k1"],
    hostKey: ["h2"],
    cipherC2S: ["aes256-ctr", "aes128-ctr"],
    cipherS2C: ["aes128-ctr"],
    compressionS2C: ["none", "zlib"],
  });
  assertEquals([both.kex, both.hostKey], ["k1", "h2"]);
  assertEquals(both.clientToServer, { cipher: "aes128-ctr", mac: "m1", compression: "none" });
  assertEquals(both.serverToClient, { cipher: "aes128-ctr", mac: "m2", compression: "zlib" });
});

Deno.test("An AEAD cipher needs no common MAC", () => {
  const gcm = "aes128-gcm@openssh.com";
  const one = agreed({ cipherC2S: [gcm], macC2S: ["x"] }, { cipherC2S: [gcm], macC2S: ["y"] });
  assertEquals(one.clientToServer, { cipher: gcm, mac: "", compression: "none" });
});

Deno.test("Flags in the list of key exchanges are not used as methods", () => {
  const flags = ["ext-info-c", "ext-info-s", "kex-strict-c-v00@openssh.com"];
  assertEquals(agreed({ kex: [...flags, "k2"] }, { kex: [...flags, "k2"] }).kex, "k2");
  const error = assertThrows(() => agreed({ kex: flags }, { kex: flags }), NegotiationError);
  assertEquals([error.ours, error.theirs], [[], []]);
});

const lists: [key: keyof KexInitValue, kind: string][] = [
  ["kex", "key exchange"],
  ["hostKey", "host key"],
  ["cipherC2S", "cipher"],
  ["cipherS2C", "cipher"],
  ["macC2S", "MAC"],
  ["macS2C", "MAC"],
  ["compressionC2S", "compression"],
  ["compressionS2C", "compression"],
];
for (const [key, kind] of lists) {
  Deno.test(`No common algorithm in ${key} is an error with both lists`, () => {
    const theirs = { ...OFFER, [key]: ["something else"] };
    for (const role of ["client", "server"] as const) {
      const error = assertThrows(() => negotiate(role, OFFER, theirs), NegotiationError);
      assertEquals([error.kind, error.ours, error.theirs], [
        kind,
        OFFER[key] as string[],
        ["something else"],
      ]);
    }
  });
}

const tables: [key: keyof KexInitValue, option: string, name: string][] = [
  ["kex", "kex", "diffie-hellman-group14-sha1"],
  ["hostKey", "hostKey", "ssh-rsa"],
  ["cipherC2S", "cipher", "aes128-cbc"],
  ["macS2C", "mac", "hmac-sha1"],
  ["compressionC2S", "compression", "zlib@openssh.com"],
];
for (const [key, option, name] of tables) {
  Deno.test(`The error of ${key} names the option that allows the peer's algorithm`, () => {
    const theirs = { ...OFFER, [key]: ["something else", name] };
    const advice = `algorithms: { ${option}: "+${name}" }`;
    for (const role of ["client", "server"] as const) {
      assertThrows(() => negotiate(role, OFFER, theirs), NegotiationError, advice);
    }
  });
}

Deno.test("A guess is right only if both lists begin alike, flags included", () => {
  const guess = { firstKexPacketFollows: true };
  const cases: [Partial<KexInitValue>, Partial<KexInitValue>, boolean][] = [
    [guess, {}, false],
    [guess, { kex: ["k1"], hostKey: ["h1"] }, false],
    [guess, { kex: ["k2", "k1"] }, true],
    [guess, { hostKey: ["h2", "h1"] }, true],
    [{}, { kex: ["k2", "k1"] }, false],
  ];
  for (const [client, server, wrong] of cases) {
    assertEquals(agreed(client, server).guessedByClient, wrong);
  }
});

Deno.test("Our KEXINIT has each list for both directions, the flags after the methods, and no guess", () => {
  const suite = resolveSuite();
  const cookie = new Uint8Array(16).fill(3);
  const value = KexInit.decode(offer(suite, ["flag-a", "flag-b"], cookie));
  assertEquals(value, {
    cookie,
    kex: [...suite.kex, "flag-a", "flag-b"],
    hostKey: [...suite.hostKey],
    cipherC2S: [...suite.cipher],
    cipherS2C: [...suite.cipher],
    macC2S: [...suite.mac],
    macS2C: [...suite.mac],
    compressionC2S: [...suite.compression],
    compressionS2C: [...suite.compression],
    languageC2S: [],
    languageS2C: [],
    firstKexPacketFollows: false,
    reserved: 0,
  });
});

Deno.test("In EXT_INFO the first extension of a name wins, and trailing bytes are refused", () => {
  const text = (value: Uint8Array | undefined) => value && new TextDecoder().decode(value);
  const sent = encodeExtInfo({ "server-sig-algs": "a,b", "x@y": "" });
  assertEquals([...decodeExtInfo(sent)].map(([name, value]) => [name, text(value)]), [
    ["server-sig-algs", "a,b"],
    ["x@y", ""],
  ]);
  const message = (count: number, pairs: string[]) => {
    const writer = new Writer();
    for (const word of pairs) writer.text(word);
    return ExtInfo.encode({ count, pairs: writer.take() });
  };
  assertEquals(text(decodeExtInfo(message(2, ["a", "1", "a", "2"])).get("a")), "1");
  assertThrows(
    () => decodeExtInfo(message(1, ["a", "1", "b", "2"])),
    ProtocolError,
    "trailing bytes",
  );
  assertThrows(() => decodeExtInfo(message(2, ["a", "1"])), ProtocolError, "too early");
  const many = Array.from({ length: 1024 }, (_, at) => [`${at}`, ""]).flat();
  assertEquals(decodeExtInfo(message(1024, many)).size, 1024);
  const more = message(1025, [...many, "more", ""]);
  assertThrows(() => decodeExtInfo(more), ProtocolError, "too many extensions");
  const copied = decodeExtInfo(sent).get("server-sig-algs");
  sent.fill(0);
  assertEquals(text(copied), "a,b");
});

/** A link with a scripted peer. */
function linkWith(...answers: Uint8Array[]) {
  const sent: Uint8Array[] = [];
  let acknowledged = 0;
  const link = {
    send: (payload: Uint8Array) => void sent.push(payload),
    receive: () => Promise.resolve(answers.shift() ?? new Uint8Array(1)),
    acknowledge: () => void acknowledged++,
    extensions: new Map(),
  } as unknown as Link;
  return { link, sent, acknowledged: () => acknowledged };
}

Deno.test("A service that is asked for must be the one that is accepted, before any answer is", async () => {
  const answer = new Uint8Array([52]);
  for (const accept of [ServiceAccept.encode({ service: "ssh-userauth" }), new Uint8Array([6])]) {
    const { link, sent, acknowledged } = linkWith(accept, answer);
    const service = requestService(link, "ssh-userauth");
    assertEquals(ServiceRequest.decode(sent[0]!).service, "ssh-userauth");
    assertEquals(service.roundTrip, null);
    assertEquals(await service.receive(), answer);
    assert(service.roundTrip !== null && service.roundTrip >= 0);
    await service.accepted();
    assertEquals([sent.length, acknowledged()], [1, 1]);
  }
  const wrong = [
    ServiceAccept.encode({ service: "ssh-connection" }),
    new Uint8Array([5]),
    new Uint8Array([6, 0]),
    answer,
  ];
  for (const accept of wrong) {
    const service = requestService(linkWith(accept, answer).link, "ssh-userauth");
    await assertRejects(() => service.receive(), ProtocolError);
    await assertRejects(() => service.accepted(), ProtocolError);
    assertEquals(service.roundTrip, null);
  }
});

Deno.test("A server accepts only its one service", async () => {
  const good = linkWith(ServiceRequest.encode({ service: "ssh-userauth" }));
  await acceptService(good.link, "ssh-userauth");
  assertEquals(ServiceAccept.decode(good.sent[0]!).service, "ssh-userauth");
  const bad = linkWith(ServiceRequest.encode({ service: "ssh\x1b" }));
  const error = await assertRejects(
    () => acceptService(bad.link, "ssh-userauth"),
    ProtocolError,
    'Unknown service "ssh"',
  );
  assertEquals([error.disconnectReason, bad.sent.length], [7, 0]);
});

Deno.test("Keys expire by bytes or packets of either direction, or by time", () => {
  const sent = { bytesSinceRekey: 0, packetsSinceRekey: 0 };
  const use = new KeyUse({ bytes: 100, packets: 10, milliseconds: 1000 });
  assertEquals([use.lifetime, use.exceeds(sent)], [1000, false]);
  assertEquals(new KeyUse({ bytes: 1, packets: 1 }).exceeds(sent), false);
  assertEquals(use.exceeds({ ...sent, bytesSinceRekey: 99 }), false);
  assertEquals(use.exceeds({ ...sent, bytesSinceRekey: 100 }), true);
  assertEquals(use.exceeds({ ...sent, packetsSinceRekey: 9 }), false);
  assertEquals(use.exceeds({ ...sent, packetsSinceRekey: 10 }), true);
  for (const [field, limit] of [["bytesIn", 100], ["packetsIn", 10]] as const) {
    use[field] = limit - 1;
    assertEquals(use.exceeds({ bytesSinceRekey: 99, packetsSinceRekey: 9 }), false);
    use[field] = limit;
    assertEquals(use.exceeds(sent), true);
    use.renew();
    assertEquals([use[field], use.exceeds(sent)], [0, false]);
  }
  use.expired = true;
  assertEquals(use.exceeds(sent), true);
  use.renew();
  assertEquals(use.exceeds(sent), false);
  assertEquals(new KeyUse({ milliseconds: 2 ** 31 - 1 }).lifetime, 2 ** 31 - 1);
  assertEquals(new KeyUse({ milliseconds: 2 ** 31 }).lifetime, undefined);
  const usual = new KeyUse();
  assertEquals(usual.lifetime, 3_600_000);
  const [bytes, packets] = [2 ** 30, 2 ** 31];
  assertEquals(
    usual.exceeds({ bytesSinceRekey: bytes - 1, packetsSinceRekey: packets - 1 }),
    false,
  );
  assertEquals(usual.exceeds({ bytesSinceRekey: bytes, packetsSinceRekey: 0 }), true);
  assertEquals(usual.exceeds({ bytesSinceRekey: 0, packetsSinceRekey: packets }), true);
});

Deno.test("The client's packets use the client-to-server keys (RFC 4253 §7.2)", async () => {
  const directions: string[] = [];
  await using pair = transportPair();
  for (const { role, sink: { sealer } } of [pair.client, pair.server]) {
    const rekey = sealer.rekey.bind(sealer);
    sealer.rekey = (keys) => {
      directions.push(`${role}: ${keys.direction}`);
      rekey(keys);
    };
  }
  await Promise.all([pair.client.handshake(), pair.server.handshake()]);
  assertEquals(directions.sort(), ["client: client-to-server", "server: server-to-client"]);
});

Deno.test("Each direction gets its negotiated algorithms", async () => {
  const usual = resolveSuite();
  const ciphers = ["aes128-ctr", "aes256-ctr"];
  // Its KEXINIT has different ciphers for the two directions.
  const suite = {
    ...usual,
    get cipher() {
      const [cipher] = ciphers;
      ciphers.reverse();
      return [cipher!];
    },
  };
  const keys: string[] = [];
  const before = [Sealer, Opener].map(({ prototype }) => ({ prototype, rekey: prototype.rekey }));
  for (const { prototype, rekey } of before) {
    prototype.rekey = function (this: never, next: DirectionKeys) {
      // The kernels are warmed up with zeros.
      const real = next.secret.some((byte) => byte !== 0);
      if (real) keys.push(`${next.direction} ${next.cipher}`);
      return Reflect.apply(rekey, this, [next]);
    };
  }
  try {
    await using _pair = await greetedPair({ client: { suite } });
  } finally {
    for (const { prototype, rekey } of before) prototype.rekey = rekey;
  }
  assertEquals([...new Set(keys)].sort(), [
    "client-to-server aes128-ctr",
    "server-to-client aes256-ctr",
  ]);
});

Deno.test("Received bytes are counted over all keys", () => {
  const use = new KeyUse();
  for (const bytes of [5, 7]) {
    use.bytesIn = bytes;
    use.renew();
  }
  assertEquals([use.bytesBefore, use.bytesIn], [12, 0]);
});

Deno.test("A service has the extensions that arrive after its request", () => {
  const { link } = linkWith();
  const service = requestService(link, "ssh-userauth");
  const extensions = new Map([["name@example.com", new Uint8Array(1)]]);
  Object.assign(link, { extensions });
  assertEquals(service.extensions, extensions);
});
