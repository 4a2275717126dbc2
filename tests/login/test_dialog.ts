import type { LoginDialog } from "../../lib/login/prompts.ts";

/** A scripted user; records every prompt and message. */
export class TestDialog implements LoginDialog {
  readonly events: string[] = [];
  readonly #answers: (string | null)[];

  constructor(...answers: (string | null)[]) {
    this.#answers = answers;
  }

  readonly ask = (prompt: string) => {
    this.events.push(prompt);
    return Promise.resolve(this.#answers.shift() ?? null);
  };

  readonly report = {
    error: (line: string) => void this.events.push(`error: ${line}`),
    info: (line: string) => void this.events.push(`info: ${line}`),
    verbose: (line: string) => void this.events.push(`verbose: ${line}`),
  };
}
