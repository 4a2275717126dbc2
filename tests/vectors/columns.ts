/** The columns of every file of vectors after `id` and `result`, in their order. */

export const COLUMNS = {
  aes_cbc_pkcs5: ["key", "iv", "text", "sealed"],
  aes_gcm: ["key", "iv", "text", "sealed"],
  ecdh_secp256r1: ["publicKey", "privateKey", "shared"],
  ecdh_secp384r1: ["publicKey", "privateKey", "shared"],
  ecdh_secp521r1: ["publicKey", "privateKey", "shared"],
  ecdsa_secp256r1_sha256: ["publicKey", "message", "signature"],
  ecdsa_secp384r1_sha384: ["publicKey", "message", "signature"],
  ecdsa_secp521r1_sha512: ["publicKey", "message", "signature"],
  ed25519: ["publicKey", "message", "signature"],
  hmac_sha1: ["key", "message", "tag"],
  hmac_sha256: ["key", "message", "tag"],
  hmac_sha512: ["key", "message", "tag"],
  mlkem_768: ["seed", "publicKeyHash", "ciphertext", "shared"],
  mlkem_768_encaps: ["random", "publicKey", "resultHash"],
  rsa_2048_sha256: ["modulus", "exponent", "message", "signature"],
  rsa_2048_sha512: ["modulus", "exponent", "message", "signature"],
  rsa_4096_sha512: ["modulus", "exponent", "message", "signature"],
  rsa_signing_2048_sha256: ["pkcs1", "pkcs8", "exponent", "message", "signature"],
  rsa_signing_2048_sha512: ["pkcs1", "pkcs8", "exponent", "message", "signature"],
  x25519: ["publicKey", "privateKey", "shared"],
} as const;

export type VectorSet = keyof typeof COLUMNS;
