const VOWELS = "aeiouy";
const CONSONANTS = "bcdfghklmnprstvzx";

/**
 * A digest as pronounceable words, as in `ssh-keygen -B` (Antti Huima's Bubble Babble); the vowels contain
 * a checksum.
 */
export function bubbleBabble(digest: Uint8Array): string {
  let sum = 1;
  let text = "x";
  for (let at = 0;; at += 2) {
    const [first, second] = [digest[at], digest[at + 1]];
    if (first === undefined) return `${text}${VOWELS[sum % 6]}x${VOWELS[Math.floor(sum / 6)]}x`;
    text += VOWELS[((first >> 6) + sum) % 6]! + CONSONANTS[first >> 2 & 15] +
      VOWELS[((first & 3) + Math.floor(sum / 6)) % 6];
    if (second === undefined) return `${text}x`;
    text += `${CONSONANTS[second >> 4]}-${CONSONANTS[second & 15]}`;
    sum = (sum * 5 + first * 7 + second) % 36;
  }
}
