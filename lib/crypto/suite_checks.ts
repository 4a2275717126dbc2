import { either, oneOf, type OptionChecks, text, texts } from "../option_checks.ts";
import type { AlgorithmOptions } from "./suite.ts";

const list = either(text, texts);

/** The options of `algorithms`, for `connect()` and `serve()`. */
export const ALGORITHM_CHECKS: OptionChecks<AlgorithmOptions> = {
  preset: oneOf("strict", "default"),
  kex: list,
  hostKey: list,
  userKey: list,
  cipher: list,
  mac: list,
  compression: list,
};
