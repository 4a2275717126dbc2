import { assert, assertEquals } from "@std/assert";
import { connectionClosed, lazyError } from "../../lib/connection/lazy_error.ts";
import { plainMessage } from "../../lib/error_messages.ts";
import { ClosedError, ConnectError } from "../../lib/errors.ts";

Deno.test("A lazy error is made once, when it is first needed, whatever it is", () => {
  for (const value of [new Error("x"), null, undefined]) {
    let made = 0;
    const error = lazyError(() => {
      made++;
      return value;
    });
    assertEquals(made, 0);
    assert(error() === value && error() === value);
    assertEquals(made, 1);
  }
});

Deno.test("The error of a connection that is over says why, once", () => {
  const cases: [cause: unknown, message: string][] = [
    [new Error("Lost the cable"), "The connection is closed: lost the cable"],
    [new ConnectError("No route"), "The connection is closed: no route"],
    [new ClosedError("The connection was reset"), "The connection was reset"],
    [new Error("The connector broke"), "The connection is closed: the connector broke"],
    [new Error(""), "The connection is closed"],
    ["a text", "The connection is closed"],
    [undefined, "The connection is closed"],
  ];
  for (const [cause, message] of cases) {
    const error = connectionClosed(cause);
    assertEquals([error instanceof ClosedError, plainMessage(error), error.cause], [
      true,
      message,
      cause,
    ]);
  }
});
