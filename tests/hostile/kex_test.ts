import { testClientAgainst, testServerAgainst } from "./hostile.ts";
import { KEX_ATTACKS } from "./kex_attacks.ts";

const algorithms = { kex: "+ecdh-sha2-nistp256" };

testServerAgainst(KEX_ATTACKS, { algorithms });
testClientAgainst(KEX_ATTACKS, { algorithms });
