/** Our module in a worker: the job comes as JSON in a request, MB/s go back as JSON. */
import { rates } from "./runtime_rates.ts";

export default {
  async fetch(request: Request): Promise<Response> {
    return Response.json(await rates(await request.json()));
  },
};
