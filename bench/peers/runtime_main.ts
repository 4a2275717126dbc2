/** Our npm package on Node or Bun: the job comes as JSON in the first argument, MB/s go back as JSON. */
import process from "node:process";
import { rates } from "./runtime_rates.ts";

console.log(JSON.stringify(await rates(JSON.parse(process.argv[2] ?? "{}"))));
