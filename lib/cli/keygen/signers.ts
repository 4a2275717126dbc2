/** Keys that certify and sign: private keys, and keys of an agent. */
import type { AgentClient } from "../../agent/client.ts";
import type { PrivateKey, Signer } from "../../keys/private_key.ts";
import type { PublicKey } from "../../keys/public_key.ts";

/** A signer; disposing of it closes its key or agent. */
export interface OpenSigner extends AsyncDisposable {
  readonly signer: Signer;
}

/** A private key as a signer; `signer` replaces it as the signer, for example with a certificate. */
export function signerOf(key: PrivateKey, signer: Signer = key): OpenSigner {
  return { signer, [Symbol.asyncDispose]: async () => await key[Symbol.dispose]() };
}

/** The agent's key for a public key; null, with the agent closed, if it does not have it. */
export async function agentSigner(
  agent: AgentClient,
  key: PublicKey,
): Promise<OpenSigner | null> {
  const signer = (await agent.identities()).find(({ publicKey }) => publicKey.equals(key));
  const close = () => agent[Symbol.asyncDispose]();
  if (signer !== undefined) return { signer, [Symbol.asyncDispose]: close };
  await close();
  return null;
}
