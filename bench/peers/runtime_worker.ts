/** Our module in a worker: gets the job as JSON in a request and answers with MB/s as JSON. */
import { rates } from "./runtime_rates.ts";

export default {
  async fetch(request: Request): Promise<Response> {
    return Response.json(await rates(await request.json()));
  },
};
