import { KEX } from "../crypto/algorithms.ts";
import { digest } from "../crypto/digest.ts";
import type { Agreement, KexTalk } from "../crypto/kex/kex_method.ts";
import { type DirectionKeys, type Opener, warmUp } from "../crypto/packet_cipher.ts";
import { randomBytes } from "../crypto/random.ts";
import { row, type Suite } from "../crypto/suite.ts";
import { DH_GEX_LARGEST_GRANTED_BITS, DH_GEX_MAX_BITS, KEXINIT_PATIENCE_MS } from "../defaults.ts";
import { HostKeyError } from "../errors.ts";
import type { Signer } from "../keys/private_key.ts";
import { canUse } from "../keys/parsed_key.ts";
import { parsePublicKey, type PublicKey } from "../keys/public_key.ts";
import { KexInit, NewKeys } from "../wire/messages.ts";
import { onTimeout } from "../waiting.ts";
import { Writer } from "../wire/writer.ts";
import { encodeExtInfo } from "./ext_info.ts";
import { identificationBytes } from "./identification.ts";
import type { Conversation } from "./link.ts";
import {
  type Agreed,
  EXT_INFO_C,
  type KexInitValue,
  negotiate,
  offer,
  type Role,
  STRICT,
} from "./negotiation.ts";
import type { PacketSink } from "./packet_sink.ts";
import { strangersWork } from "./work_share.ts";

/** The state of a transport that a key exchange reads and changes. */
export interface KeyExchangeRun {
  readonly role: Role;
  readonly suite: Suite;
  /** The server's own keys. */
  readonly hostKeys: readonly Signer[];
  /** Called by a client with the server's key; throws to refuse it. */
  readonly verifyHostKey: (key: PublicKey) => void | Promise<void>;
  /** Extensions that we announce to a client that asks for them. */
  readonly extensions: Readonly<Record<string, string>>;
  readonly conversation: Conversation;
  readonly sink: PacketSink;
  readonly opener: Opener;
  readonly identification: { readonly client: string; readonly server: string };
  /** The results of the first exchange; null during the first. */
  readonly session: SessionIdentity | null;
  /** Called when the peer's KEXINIT arrives, before it is evaluated. */
  onPeerKexInit(strict: boolean): void;
}

/** The results of the first exchange, which apply to the whole connection. */
export interface SessionIdentity {
  readonly id: Uint8Array;
  readonly hostKey: PublicKey;
  /** The host key's signature of the identifier, which proves the server's identity to an agent. */
  readonly signature: Uint8Array;
  readonly strict: boolean;
}

interface Exchanged {
  readonly secret: Uint8Array;
  readonly hash: Uint8Array;
  readonly hostKey: PublicKey;
  readonly signature: Uint8Array;
}

/**
 * One key exchange, from our KEXINIT to both NEWKEYS (RFC 4253 §7, §9). Writers are held from our KEXINIT
 * until our new keys are in force.
 */
export async function exchangeKeys(run: KeyExchangeRun): Promise<[SessionIdentity, Agreed]> {
  const { role, conversation, sink, opener } = run;
  const flags = run.session
    ? []
    : role === "client"
    ? [EXT_INFO_C, STRICT.client]
    : [STRICT.server];
  const mine = offer(offeredSuite(run), flags, randomBytes(16));
  const receiving = conversation.receive();
  if (run.session === null && role === "server") await patience(receiving);
  sink.hold();
  sink.sendNow(mine);
  const theirs = await receiving;
  const myInit = KexInit.decode(mine);
  const peerInit = KexInit.decode(theirs);
  const strict = run.session?.strict ??
    peerInit.kex.includes(role === "client" ? STRICT.server : STRICT.client);
  run.onPeerKexInit(strict);
  const agreed = negotiate(role, myInit, peerInit);
  if (agreed.wrongGuess) await conversation.receive();

  const secrets: Uint8Array[] = [];
  try {
    const exchange = role === "client" ? initiate : respond;
    const [clientInit, serverInit] = role === "client" ? [mine, theirs] : [theirs, mine];
    const exchanged = await exchange(run, agreed, clientInit, serverInit, secrets);
    const { secret, hash, hostKey, signature } = exchanged;
    const session = run.session ?? { id: hash, hostKey, signature, strict };

    const keys = (direction: DirectionKeys["direction"]): DirectionKeys => ({
      ...(direction === "client-to-server" ? agreed.clientToServer : agreed.serverToClient),
      hash: row(KEX, agreed.kex).hash,
      secret,
      exchangeHash: hash,
      sessionId: session.id,
      direction,
      resetSequence: strict,
    });
    const [outbound, inbound] = role === "client"
      ? ["client-to-server", "server-to-client"] as const
      : ["server-to-client", "client-to-server"] as const;
    sink.sendNow(NewKeys.encode({}));
    sink.sealer.rekey(keys(outbound));
    if (!run.session && role === "server" && wantsExtInfo(peerInit)) {
      sink.sendNow(encodeExtInfo(run.extensions));
    }
    sink.release();
    NewKeys.decode(await conversation.receive());
    opener.rekey(keys(inbound));
    return [session, agreed];
  } finally {
    for (const secret of secrets) secret.fill(0);
  }
}

/** A server offers only host key algorithms for which it has a key. */
function offeredSuite({ role, suite, hostKeys }: KeyExchangeRun): Suite {
  if (role === "client") return suite;
  const hostKey = suite.hostKey.filter((name) =>
    hostKeys.some((key) => canUse(key.publicKey, name))
  );
  return { ...suite, hostKey };
}

/**
 * A client with Nagle's algorithm sends nothing after its KEXINIT until that is acknowledged. The kernel
 * delays the acknowledgement by 40 ms unless it can be sent with an answer: our KEXINIT, if it is sent
 * second. For clients that wait for the server's KEXINIT the delay is short.
 */
async function patience(receiving: Promise<Uint8Array>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  using _timer = onTimeout(KEXINIT_PATIENCE_MS, resolve);
  await Promise.race([receiving, late]);
}

async function initiate(
  run: KeyExchangeRun,
  agreed: Agreed,
  clientInit: Uint8Array,
  serverInit: Uint8Array,
  secrets: Uint8Array[],
): Promise<Exchanged> {
  const { method, hash } = row(KEX, agreed.kex);
  const agreement = await method.request(talkOf(run));
  using ours = agreement.initiate();
  run.sink.sendNow(agreement.init.encode({ publicValue: ours.publicValue }));
  // The server is computing: use the time to compile the kernels.
  if (run.session === null) await warmUpAfter(run.sink.drained(), agreed);
  const reply = agreement.reply.decode(await run.conversation.receive());
  const hostKey = parsePublicKey(reply.hostKey);
  const secret = ours.finish(reply.publicValue);
  secrets.push(secret);
  const transcript = exchangeHash(run, hash, clientInit, serverInit, {
    hostKey: reply.hostKey,
    settled: agreement.settled,
    client: ours.publicValue,
    server: reply.publicValue,
    secret,
  });
  // Checked after the signature, which proves that the server has the key. A host key on a token may sign
  // without a touch, as in OpenSSH.
  const lax = { noTouchRequired: true };
  if (!hostKey.verify(agreed.hostKey, transcript, reply.signature, lax)) {
    throw new HostKeyError(
      "signature",
      "",
      hostKey.fingerprint(),
      `The server does not hold the host key that it shows (${hostKey.fingerprint()})`,
    );
  }
  if (run.session === null) {
    await run.conversation.outside(run.verifyHostKey(hostKey));
  } else if (!run.session.hostKey.equals(hostKey)) {
    throw new HostKeyError(
      "changed",
      "",
      hostKey.fingerprint(),
      `The server changed its host key within the connection, to ${hostKey.fingerprint()}`,
    );
  }
  return { secret, hash: transcript, hostKey, signature: reply.signature };
}

async function warmUpAfter(sent: Promise<void>, { serverToClient }: Agreed): Promise<void> {
  await sent;
  warmUp(serverToClient.cipher, serverToClient.mac);
}

async function respond(
  run: KeyExchangeRun,
  agreed: Agreed,
  clientInit: Uint8Array,
  serverInit: Uint8Array,
  secrets: Uint8Array[],
): Promise<Exchanged> {
  const { method, hash } = row(KEX, agreed.kex);
  // There is one, because we offered only algorithms for which we have a key.
  const signer = run.hostKeys.find((key) => canUse(key.publicKey, agreed.hostKey))!;
  const agreement = await method.grant(talkOf(run));
  const init = agreement.init.decode(await run.conversation.receive());
  const { publicValue, secret } = await answered(run, agreement, init.publicValue);
  secrets.push(secret);
  const hostKey = signer.publicKey;
  const transcript = exchangeHash(run, hash, clientInit, serverInit, {
    hostKey: hostKey.blob,
    settled: agreement.settled,
    client: init.publicValue,
    server: publicValue,
    secret,
  });
  const signature = await run.conversation.outside(signer.sign(agreed.hostKey, transcript));
  run.sink.sendNow(agreement.reply.encode({ hostKey: hostKey.blob, publicValue, signature }));
  return { secret, hash: transcript, hostKey, signature };
}

/** Answers the client's value; before the login, a costly answer waits for its share of time. */
function answered(
  { session, conversation }: KeyExchangeRun,
  agreement: Agreement,
  peer: Uint8Array,
) {
  if (session !== null || !agreement.isCostly) return agreement.respond(peer);
  return conversation.outside(strangersWork.run(() => {
    conversation.throwIfOver();
    return agreement.respond(peer);
  }));
}

function talkOf({ sink, conversation, suite }: KeyExchangeRun): KexTalk {
  return {
    send: (payload) => sink.sendNow(payload),
    receive: () => conversation.receive(),
    // A server that lists group 18 accepts the cost of 8192 bits.
    maxGroupBits: suite.kex.includes("diffie-hellman-group18-sha512")
      ? DH_GEX_MAX_BITS
      : DH_GEX_LARGEST_GRANTED_BITS,
  };
}

/** H of RFC 4253 §8, RFC 4419 §3 and RFC 5656 §4; K is encoded as its method requires. */
function exchangeHash(
  run: KeyExchangeRun,
  hash: Parameters<typeof digest>[0],
  clientInit: Uint8Array,
  serverInit: Uint8Array,
  values: {
    hostKey: Uint8Array;
    settled: Uint8Array;
    client: Uint8Array;
    server: Uint8Array;
    secret: Uint8Array;
  },
): Uint8Array {
  const transcript = new Writer(8192)
    .string(identificationBytes(run.identification.client))
    .string(identificationBytes(run.identification.server))
    .string(clientInit)
    .string(serverInit)
    .string(values.hostKey)
    .bytes(values.settled)
    .string(values.client)
    .string(values.server)
    .bytes(values.secret)
    .take();
  const result = digest(hash, transcript);
  transcript.fill(0);
  return result;
}

function wantsExtInfo(theirs: KexInitValue): boolean {
  return theirs.kex.includes(EXT_INFO_C);
}
