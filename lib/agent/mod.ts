/**
 * The ssh-agent protocol: use a running agent, serve one, forward one.
 *
 * ```ts
 * import { connectAgent, Keyring, listenAgent } from "@denossh/ssh/agent";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * using keyring = new Keyring(); // an agent in memory
 * using key = await generateKey("ed25519", { comment: "me@laptop" });
 * keyring.add(key);
 * await using listener = await listenAgent(keyring); // on a unix socket
 *
 * await using client = await connectAgent(listener.path);
 * const [first] = await client.identities();
 * assertEquals(first!.publicKey.comment, "me@laptop");
 * ```
 *
 * - {@linkcode agent} is the method for the option `auth` of `connect()`.
 * - {@linkcode connectAgent} lists, adds and removes keys of an agent, and signs with them.
 * - {@linkcode Keyring} is an agent in memory; {@linkcode listenAgent} puts it on a socket for other
 *   programs, and `host.forwardAgent()` lends it to a server.
 *
 * @module
 */
export { agent, type AgentAuthOptions } from "./auth.ts";
export {
  AgentClient,
  type AgentOptions,
  type AgentRequestOptions,
  connectAgent,
} from "./client.ts";
export type { AgentForwardOptions, ForwardedAgent } from "./forwarding.ts";
export type { DestinationHost, KeyDestination } from "./destination.ts";
export type { AddKeyOptions, KeyConstraints } from "./added_key.ts";
export { Keyring, type KeyringOptions, type KeyringServeOptions } from "./keyring.ts";
export { type AgentListener, type AgentListenOptions, listenAgent } from "./listen.ts";
export type { AgentAddress, AgentConnectOptions, AgentSource } from "./source.ts";
