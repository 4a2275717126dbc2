/** The part of the fleet that `mod.ts` exports. */
export { Fleet, fleet } from "./fleet.ts";
export { FleetJob } from "./job.ts";
export type { FleetLine } from "./lines.ts";
export type { FleetContext } from "./attempts.ts";
export type {
  FleetConnect,
  FleetHost,
  FleetJobOptions,
  FleetOptions,
  FleetTry,
  NamedHost,
} from "./options.ts";
export {
  type FleetEffort,
  type FleetErrorJson,
  type FleetFailure,
  FleetReport,
  type FleetResult,
  type FleetResultJson,
  type FleetSuccess,
  resultJson,
} from "./result.ts";
export type { FleetRunOptions } from "./run.ts";
export type { FleetSource, FleetTarget, FleetTransferOptions } from "./transfers.ts";
