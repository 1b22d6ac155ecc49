/** What each scan sounds like. */

/** Half tones of a pentatonic scale: any two sound well together. */
const STEPS = [0, 2, 4, 7, 9, 12, 14, 16];
const BASE_HZ = 392;

/** Return the two tones of `scan`: the same each time, another scan's are others. */
export function pitches(scan: string): readonly number[] {
  let hash = 7;
  for (const letter of scan) hash = (hash * 31 + letter.charCodeAt(0)) % 9973;
  const first = STEPS[hash % STEPS.length] ?? 0;
  const second = STEPS[Math.floor(hash / STEPS.length) % STEPS.length] ?? 4;
  return [first, second].map((step) => BASE_HZ * 2 ** (step / 12));
}
