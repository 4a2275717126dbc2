import { testClientAgainst, testServerAgainst } from "./hostile.ts";
import { KEX_ATTACKS } from "./kex_attacks.ts";

testServerAgainst(KEX_ATTACKS);
testClientAgainst(KEX_ATTACKS);
