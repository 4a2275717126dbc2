/** The lists of addresses of permitopen, PermitRemoteOpen and permitlisten. */
import { assertEquals } from "@std/assert";
import type { ForwardAddress } from "../../lib/forward/address.ts";
import { listsBind, listsTarget } from "../../lib/forward/address_list.ts";

const db = { hostname: "db", port: 5432 };
const v6 = { hostname: "2001:db8::1", port: 80 };
const socket = { path: "/run/x" };

const targets: [readonly string[], ForwardAddress, boolean][] = [
  [["db:5432"], db, true],
  [["db:*"], db, true],
  [["*:5432"], db, true],
  [["*:*"], db, true],
  [["web:80", "db:5432"], db, true],
  [["5432"], db, true],
  [["[2001:db8::1]:80"], v6, true],
  [[], db, false],
  [["db:5433"], db, false],
  [["web:5432"], db, false],
  [["DB:5432"], db, false],
  [["d*:5432"], db, false],
  [["db"], db, false],
  [["db:"], db, false],
  [["db:005432"], db, false],
  [["db:0x1538"], db, false],
  [["db:543"], db, false],
  [["2001:db8::1:80"], v6, false],
  [["*:*"], socket, false],
  [["/run/x"], socket, false],
];
for (const [list, to, expected] of targets) {
  Deno.test(`The list [${list}] ${expected ? "allows" : "forbids"} connecting to ${JSON.stringify(to)}`, () => {
    assertEquals(listsTarget(list, to), expected);
  });
}

const binds: [readonly string[], ForwardAddress, boolean][] = [
  [["db:5432"], db, true],
  [["DB:5432"], db, true],
  [["db:5432"], { ...db, hostname: "DB" }, true],
  [["d*:5432"], db, true],
  [["?b:*"], db, true],
  [["5432"], db, true],
  [["*"], db, true],
  [["web:1", "db:5432"], db, true],
  [["[2001:*]:80"], v6, true],
  [["localhost:8080"], { hostname: "", port: 8080 }, false],
  [["8080"], { hostname: "", port: 8080 }, true],
  [[":8080"], { hostname: "", port: 8080 }, true],
  [[":5432"], db, false],
  [["db:5433"], db, false],
  [["web:5432"], db, false],
  [[""], db, false],
  [[], db, false],
  [["*:*"], socket, false],
];
for (const [list, on, expected] of binds) {
  Deno.test(`The list [${list}] ${expected ? "allows" : "forbids"} listening on ${JSON.stringify(on)}`, () => {
    assertEquals(listsBind(list, on), expected);
  });
}
