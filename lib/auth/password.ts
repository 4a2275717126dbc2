import { wiping } from "../crypto/wiping.ts";
import { AuthError } from "../errors.ts";
import { UserauthPasswdChangereq } from "../wire/messages.ts";
import { MSG } from "../wire/numbers.ts";
import { PasswordAuth, PasswordChange } from "../wire/requests.ts";
import type { AuthMethod } from "./auth_method.ts";
import { cleanText } from "./prompts.ts";

/** Options for a password that the server wants changed. */
export interface PasswordOptions {
  /** Returns a new password; called with the server's text when the old one has expired. */
  change?: (prompt: string) => string | Promise<string>;
}

/**
 * A password (RFC 4252 §8).
 *
 * @param secret The password, or a function that asks for it when it is needed
 * @param options How to change an expired password; by default the login fails
 * @returns The method
 *
 * @example
 * ```ts
 * import { password } from "@denossh/ssh";
 * import { assertEquals } from "@std/assert";
 *
 * const ask = () => Promise.resolve("open sesame");
 * assertEquals(password(ask).name, "password");
 * ```
 */
export function password(
  secret: string | (() => string | Promise<string>),
  options: PasswordOptions = {},
): AuthMethod {
  // Often the value of an environment variable that is not set. Only its type is shown: it may be a secret.
  if (typeof secret !== "string" && typeof secret !== "function") {
    throw new TypeError(`password() needs a text or a function, not ${typeof secret}`);
  }
  return {
    name: "password",
    eager: true,
    async authenticate(dialog) {
      const current = typeof secret === "string" ? secret : await secret();
      let answer = await wiping(
        PasswordAuth.encode({ change: false, password: current }),
        (fields) => dialog.request(fields),
      );
      while (answer[0] === MSG.USERAUTH_60) {
        const { prompt } = UserauthPasswdChangereq.decode(answer);
        if (options.change === undefined) throw new AuthError("The password must be changed");
        const newPassword = await options.change(cleanText(prompt));
        answer = await wiping(
          PasswordChange.encode({ change: true, password: current, newPassword }),
          (fields) => dialog.request(fields),
        );
      }
      return answer;
    },
  };
}
