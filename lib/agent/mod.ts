/**
 * The ssh-agent: use one, be one, forward one.
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
