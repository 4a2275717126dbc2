/** A page that carries out the steps that its test asks for, over a WebSocket. */
import { type ConnectOptions, webSocketTransport } from "@denossh/ssh";
import { clientSteps, type Login } from "./client_steps.ts";
import { platformSteps } from "./platform_steps.ts";

const over = (relay: string) => async (): Promise<Partial<ConnectOptions>> => ({
  transport: await webSocketTransport(relay),
});

Object.assign(globalThis, {
  client: async (login: Login, relay: string) => await clientSteps(login, await over(relay)()),
  platform: (login: Login, relay: string) => platformSteps(login, over(relay)),
});
