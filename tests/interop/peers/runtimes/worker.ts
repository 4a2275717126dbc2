/** A worker that carries out the steps of a client. */
import { clientSteps } from "./client_steps.ts";

export default {
  fetch: async (request: Request): Promise<Response> =>
    Response.json(await clientSteps(await request.json())),
};
