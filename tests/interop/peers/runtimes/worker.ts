/** A worker that carries out the requested steps. */
import { clientSteps, type Login } from "./client_steps.ts";
import { platformSteps } from "./platform_steps.ts";

const STEPS: Readonly<Record<string, (login: Login) => Promise<unknown>>> = {
  "/client": (login) => clientSteps(login),
  "/platform": (login) => platformSteps(login),
};

export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    return Response.json(await STEPS[pathname]!(await request.json()));
  },
};
