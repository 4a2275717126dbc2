import type { KeyKind } from "../../support/keys.ts";
import * as ours from "../../support/ours.ts";
import { keyFile } from "./keys.ts";

export { connectTo, noise, type OurServer, sha256 } from "../../support/ours.ts";

/** Starts our server with the keys that `ssh-keygen` made for the harness's servers. */
export function startOurs(
  options?: Parameters<typeof ours.startOurs>[0],
  kinds?: readonly KeyKind[],
  handler?: Parameters<typeof ours.startOurs>[2],
  userKind?: KeyKind,
): Promise<ours.OurServer> {
  return ours.startOurs(options, kinds, handler, userKind, keyFile);
}
