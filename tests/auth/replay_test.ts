/** Credentials that are repeated on another connection. */
import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { interactive } from "../../lib/auth/interactive.ts";
import { none } from "../../lib/auth/none.ts";
import { password } from "../../lib/auth/password.ts";
import { recording } from "../../lib/auth/replay.ts";
import { AuthError } from "../../lib/errors.ts";
import { UserauthInfoRequest } from "../../lib/wire/messages.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { dialogWith, FAILURE, SUCCESS } from "./fake_dialog.ts";

const question = UserauthInfoRequest.encode({
  name: "",
  instruction: "",
  language: "",
  count: 1,
  prompts: new Writer().text("Code: ").u8(0).take(),
});

Deno.test("a typed password is repeated without a prompt", async () => {
  let asked = 0;
  const recorded = recording(password(() => `secret ${++asked}`));
  const first = dialogWith([SUCCESS]);
  assertEquals(await recorded.authenticate(first), SUCCESS);
  const again = recorded.again();
  assertEquals([again.name, again.eager], ["password", true]);
  for (let i = 0; i < 2; i++) {
    const later = dialogWith([i === 0 ? SUCCESS : FAILURE]);
    assertEquals(await again.authenticate(later), i === 0 ? SUCCESS : FAILURE);
    assertEquals(later.sent, first.sent);
  }
  assertEquals(asked, 1);
});

Deno.test("answers are repeated, as many as the server asks for", async () => {
  const recorded = recording(interactive(({ prompts }) => prompts.map(() => "123")));
  const first = dialogWith([question, question, SUCCESS]);
  await recorded.authenticate(first);
  const again = recorded.again();
  const same = dialogWith([question, question, SUCCESS]);
  assertEquals(await again.authenticate(same), SUCCESS);
  assertEquals(same.sent, first.sent);
  const sooner = dialogWith([question, SUCCESS]);
  assertEquals(await again.authenticate(sooner), SUCCESS);
  assertEquals(sooner.sent.length, 2);
  const more = dialogWith([question, question, question]);
  await assertRejects(() => again.authenticate(more), AuthError, "requests more answers");
});

Deno.test("only the last try is repeated", async () => {
  let asked = 0;
  const recorded = recording(password(() => `secret ${++asked}`));
  assertEquals(await recorded.authenticate(dialogWith([FAILURE])), FAILURE);
  const last = dialogWith([SUCCESS]);
  await recorded.authenticate(last);
  const later = dialogWith([SUCCESS]);
  assertEquals(await recorded.again().authenticate(later), SUCCESS);
  assertEquals(later.sent, last.sent);
});

Deno.test("a method without answers is used unchanged", () => {
  const method = none();
  assertStrictEquals(recording(method).again(), method);
});
