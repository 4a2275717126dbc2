import { testClientAgainst, testServerAgainst } from "./hostile.ts";
import { IDENTIFICATION_ATTACKS } from "./identification_attacks.ts";

testServerAgainst(IDENTIFICATION_ATTACKS);
testClientAgainst(IDENTIFICATION_ATTACKS);
