/** Our npm package on Node or Bun: gets the job as JSON in the first argument and prints MB/s as JSON. */
import process from "node:process";
import { rates } from "./runtime_rates.ts";

console.log(JSON.stringify(await rates(JSON.parse(process.argv[2] ?? "{}"))));
