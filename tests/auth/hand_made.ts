/** A server's side of a login, and hand-made requests for it. */
import type { ServerAuthPolicy } from "../../lib/auth/policy.ts";
import { authenticateServer, type ServerAuthOptions } from "../../lib/auth/server.ts";
import type { PrivateKey } from "../../lib/keys/mod.ts";
import { UserauthRequest } from "../../lib/wire/messages.ts";
import {
  PasswordAuth,
  PublicKeyAuth,
  PublicKeyProbe,
  PublicKeySigned,
} from "../../lib/wire/requests.ts";
import { linkPair, type MemoryLink } from "./link_pair.ts";

export const NOTHING: Uint8Array = new Uint8Array(0);
export const SESSION: Uint8Array = new Uint8Array(32).fill(7);

/** A running server, and the client's end for hand-made messages. */
export function server(policy: ServerAuthPolicy, options: Partial<ServerAuthOptions> = {}) {
  const pair = linkPair();
  const login = authenticateServer(pair.server, { policy, maxTries: 100, ...options });
  login.catch((error) => pair.client.die(error));
  return { client: pair.client, sent: pair.server, login };
}

export function request(
  method: string,
  data: Uint8Array = NOTHING,
  { user = "ann", service = "ssh-connection" } = {},
): Uint8Array {
  return UserauthRequest.encode({ user, service, method, data });
}

export function passwordRequest(password: string, user = "ann"): Uint8Array {
  return request("password", PasswordAuth.encode({ change: false, password }), { user });
}

export interface Lie {
  sessionId?: Uint8Array;
  user?: string;
  service?: string;
  method?: string;
  signed?: boolean;
  number?: number;
  algorithm?: string;
  publicKey?: Uint8Array;
}

/** A public key request whose signature may cover other data than the request. */
export function keyRequest(key: PrivateKey, lie: Lie = {}, algorithm = "ssh-ed25519"): Uint8Array {
  const honest = { sessionId: SESSION, number: 50, user: "ann", service: "ssh-connection" };
  const fields = { method: "publickey", signed: true, algorithm, publicKey: key.publicKey.blob };
  const data = PublicKeySigned.encode({ ...honest, ...fields, ...lie });
  const signature = key.sign(key.publicKey.algorithms[0]!, data);
  return request(
    "publickey",
    PublicKeyAuth.encode({ signed: true, algorithm, publicKey: key.publicKey.blob, signature }),
  );
}

export function probe(algorithm: string, publicKey: Uint8Array): Uint8Array {
  return request("publickey", PublicKeyProbe.encode({ signed: false, algorithm, publicKey }));
}

export async function exchange(client: MemoryLink, message: Uint8Array): Promise<number> {
  client.send(message);
  return (await client.receive())[0]!;
}
