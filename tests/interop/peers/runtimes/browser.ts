/** A page that carries out the steps that its test asks for, over a WebSocket or WebTransport. */
import { type ConnectOptions, webSocketTransport } from "@denossh/ssh";
import { clientSteps, type Login } from "./client_steps.ts";
import { platformSteps } from "./platform_steps.ts";

const over = (relay: string) => async (): Promise<Partial<ConnectOptions>> => ({
  transport: await webSocketTransport(relay),
});

Object.assign(globalThis, {
  client: async (login: Login, relay: string) => await clientSteps(login, await over(relay)()),
  overWebTransport: async (login: Login, relay: string, hash: readonly number[]) => {
    const session = new WebTransport(relay, {
      serverCertificateHashes: [{ algorithm: "sha-256", value: new Uint8Array(hash) }],
    });
    await session.ready;
    const findings = await clientSteps(login, {
      transport: await session.createBidirectionalStream(),
    });
    session.close();
    return findings;
  },
  platform: (login: Login, relay: string) => platformSteps(login, over(relay)),
});
