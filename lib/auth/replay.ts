import { AuthError } from "../errors.ts";
import { MSG } from "../wire/numbers.ts";
import type { AuthDialog, AuthMethod } from "./auth_method.ts";

/** Methods whose messages are the same on another connection; the others sign data that differs on each. */
const REPEATABLE: readonly string[] = ["password", "keyboard-interactive"];

/** Records a method, so that it can be repeated on other connections without questions. */
export interface Recording {
  /** Tries the method. */
  authenticate(dialog: AuthDialog): Promise<Uint8Array>;
  /** A method that repeats the recorded messages. */
  again(): AuthMethod;
}

/** Records a method's messages to a server. */
export function recording(method: AuthMethod): Recording {
  if (!REPEATABLE.includes(method.name)) {
    return { authenticate: (dialog) => method.authenticate(dialog), again: () => method };
  }
  const said: ((dialog: AuthDialog) => Promise<Uint8Array>)[] = [];
  return {
    authenticate(dialog) {
      said.length = 0;
      return method.authenticate({
        ...dialog,
        request(fields, name) {
          const copy = fields.slice();
          said.push((later) => later.request(copy, name));
          return dialog.request(fields, name);
        },
        reply(message) {
          const copy = message.slice();
          said.push((later) => later.reply(copy.slice()));
          return dialog.reply(message);
        },
      });
    },
    again: () => ({
      ...method,
      async authenticate(dialog) {
        let answer: Uint8Array | null = null;
        for (const say of said) {
          if (answer !== null && answer[0] !== MSG.USERAUTH_60) break;
          answer = await say(dialog);
        }
        if (answer !== null && answer[0] !== MSG.USERAUTH_60) return answer;
        throw new AuthError("The server requests more answers than on the first connection");
      },
    }),
  };
}
