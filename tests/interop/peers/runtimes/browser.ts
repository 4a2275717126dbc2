/** A page that carries out the steps of a client, over what its test names. */
import { webSocketTransport } from "@denossh/ssh";
import { clientSteps, type Findings, type Login } from "./client_steps.ts";

/** Over a WebSocket. */
const overWebSocket = async (login: Login, url: string): Promise<Findings> =>
  await clientSteps(login, { transport: await webSocketTransport(url) });

Object.assign(globalThis, { overWebSocket });
