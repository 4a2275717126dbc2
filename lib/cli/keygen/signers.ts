/** Keys that certify and sign: private keys, and keys of an agent. */
import type { AgentClient } from "../../agent/client.ts";
import type { PrivateKey, Signer } from "../../keys/private_key.ts";
import type { PublicKey } from "../../keys/public_key.ts";

/** A signer, and the key or the agent that is closed with it. */
export interface OpenSigner extends AsyncDisposable {
  readonly signer: Signer;
}

/** A private key as a signer; `signer` signs with it in another form, such as with a certificate. */
export function signerOf(key: PrivateKey, signer: Signer = key): OpenSigner {
  return { signer, [Symbol.asyncDispose]: async () => await key[Symbol.dispose]() };
}

/** The agent's private half of a public key; null, and the agent closed, if it has none. */
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
