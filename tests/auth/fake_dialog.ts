/** A scripted server, to test credentials alone. */
import type { AuthDialog } from "../../lib/auth/auth_method.ts";
import { UserauthFailure, UserauthSuccess } from "../../lib/wire/messages.ts";
import { linkPair } from "./link_pair.ts";

export const SUCCESS = UserauthSuccess.encode({});
export const FAILURE = UserauthFailure.encode({ remaining: [], partial: false });

/** A dialog with scripted answers that records the requests. */
export function dialogWith(
  answers: Uint8Array[] = [SUCCESS],
  more: Partial<AuthDialog> = {},
): AuthDialog & { readonly sent: { data: Uint8Array; method: string | undefined }[] } {
  const { client } = linkPair();
  const sent: { data: Uint8Array; method: string | undefined }[] = [];
  const next = (data: Uint8Array, method?: string) => {
    sent.push({ data: data.slice(), method }); // a copy, since a method wipes its requests
    return Promise.resolve(answers[sent.length - 1] ?? FAILURE);
  };
  return {
    user: "ann",
    sessionId: client.sessionId,
    host: client.host,
    signal: new AbortController().signal,
    signatureAlgorithms: null,
    hostBound: false,
    request: next,
    reply: next,
    sent,
    ...more,
  };
}
