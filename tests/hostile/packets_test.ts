import { testClientAgainst, testServerAgainst } from "./hostile.ts";
import { PACKET_ATTACKS } from "./packet_attacks.ts";

testServerAgainst(PACKET_ATTACKS);
testClientAgainst(PACKET_ATTACKS);
