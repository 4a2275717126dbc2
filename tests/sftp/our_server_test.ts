/** Our client with our server. */
import { cases as api } from "./cases/api.ts";
import { cases as client } from "./cases/client.ts";
import { cases as transfer } from "./cases/transfer.ts";
import { cases as sync } from "./cases/sync.ts";
import { cases as options } from "./cases/transfer_options.ts";
import { ourWorld } from "./world.ts";

for (const cases of [client, api, transfer, options, sync]) {
  for (const [name, run] of cases.at("our server", ourWorld)) Deno.test(name, run);
}
