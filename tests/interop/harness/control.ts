/** Controls: check that a foreign program completes the steps of a test with OpenSSH. */

const REASON_CHARACTERS = 300;

const results = new Map<string, Promise<string | null>>();

/**
 * Runs steps between a foreign program and OpenSSH, or another reference if OpenSSH cannot do them,
 * once for each name. A failed control is reported, and the tests that depend on it are skipped.
 *
 * @returns Null if the steps work, else the reason to skip
 */
export function control(
  peer: string,
  step: string,
  steps: () => Promise<unknown>,
  reference = "OpenSSH",
): Promise<string | null> {
  const key = `${peer}\0${step}`;
  const result = results.get(key) ?? carryOut(peer, step, steps, reference);
  results.set(key, result);
  return result;
}

/** Runs a step of a test, or ignores it with the reason of the failed control. */
export function stepUnless(
  reason: string | null,
  t: Deno.TestContext,
  name: string,
  fn: (t: Deno.TestContext) => void | Promise<void>,
): Promise<boolean> {
  const ignore = reason !== null;
  return t.step({ name: ignore ? `${name} (skipped: ${reason})` : name, ignore, fn });
}

/** Why a test is skipped, for the summary of a run. */
export interface Skip {
  /** `missing`: not installed. `machine`: this machine forbids it. `control`: it fails with OpenSSH. */
  readonly kind: "missing" | "machine" | "control";
  readonly peer: string;
  /** The test, or the step of the control. */
  readonly what: string;
  readonly reason: string;
}

/** Appends to the file that DENOSSH_SKIPPED names, one JSON object a line. */
export function reportSkip(skip: Skip): void {
  const file = Deno.env.get("DENOSSH_SKIPPED");
  if (file) Deno.writeTextFileSync(file, `${JSON.stringify(skip)}\n`, { append: true });
}

async function carryOut(
  peer: string,
  step: string,
  steps: () => Promise<unknown>,
  reference: string,
): Promise<string | null> {
  try {
    await steps();
    return null;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const reason = message.trim().slice(0, REASON_CHARACTERS).replaceAll(/\s*\n\s*/g, " | ");
    reportSkip({ kind: "control", peer, what: step, reason });
    console.error(`skipped: ${peer} fails this with ${reference} itself: ${step}: ${reason}`);
    return `${peer} fails this with ${reference} itself: ${step}`;
  }
}
