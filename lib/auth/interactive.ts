import { wiping } from "../crypto/wiping.ts";
import { MSG } from "../wire/numbers.ts";
import { InteractiveAuth } from "../wire/requests.ts";
import type { AuthMethod } from "./auth_method.ts";
import { type Challenge, decodeChallenge, encodeAnswers } from "./prompts.ts";

/**
 * Keyboard-interactive authentication (RFC 4256): questions and answers, in as many rounds as the
 * server wants.
 *
 * @param answer Returns the answers to a challenge, one for each prompt
 * @returns The method
 *
 * @example
 * ```ts
 * import { interactive } from "@denossh/ssh";
 * import { assertEquals } from "@std/assert";
 *
 * const method = interactive(({ prompts }) => prompts.map(() => "123456"));
 * assertEquals(method.name, "keyboard-interactive");
 * ```
 */
export function interactive(
  answer: (challenge: Challenge) => string[] | Promise<string[]>,
): AuthMethod {
  if (typeof answer !== "function") {
    // The value is not shown: it may be a password.
    throw new TypeError(`interactive() needs a function that answers, not ${typeof answer}`);
  }
  return {
    name: "keyboard-interactive",
    async authenticate(dialog) {
      let message = await dialog.request(InteractiveAuth.encode({ language: "", submethods: "" }));
      while (message[0] === MSG.USERAUTH_60) {
        const reply = encodeAnswers(await answers(decodeChallenge(message)));
        message = await wiping(reply, (reply) => dialog.reply(reply));
      }
      return message;
    },
  };

  async function answers(challenge: Challenge): Promise<string[]> {
    const { name, instruction, prompts } = challenge;
    // RFC 4256 §3.2: a server may send a challenge without prompts, at the end of a conversation or to
    // show a text.
    if (prompts.length === 0 && name === "" && instruction === "") return [];
    const texts = await answer(challenge);
    if (prompts.length === 0) return [];
    if (texts.length !== prompts.length) {
      throw new TypeError(`Got ${texts.length} answers for ${prompts.length} prompts`);
    }
    return texts;
  }
}
